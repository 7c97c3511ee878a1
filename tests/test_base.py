"""The package without its extra `train`: what works, and what is said of the rest.

Packages of the extra are hidden from a process of its own, which is what a plain
`pip install londi` leaves; `.ci/run` makes such an environment as well.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hidden import TRAIN, without_train
from londi import errors

ROOT = Path(__file__).parent.parent


def test_the_packages_of_the_extra_are_those_that_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {line.partition(">")[0] for line in extras["train"]} == TRAIN
    brought = {"anyio", "langchain_core", "langgraph"}  # by httpx2 and langchain
    called = {"PIL": "pillow"}
    for package, extra in errors.EXTRAS.items():
        named = " ".join(extras[extra]).replace("-", "_")
        assert called.get(package, package) in named or package in brought, package
    base = {line.partition(">")[0] for line in project["dependencies"]}
    assert not base & TRAIN


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_name_that_needs_the_extra_says_so(name: str) -> None:
    ran = without_train(
        f"import londi\ntry: londi.{name}\nexcept londi.LondiError as error: print(error)"
    )
    assert ran.stdout == "torch is not installed; run: pip install 'londi[train]'\n", ran.stderr


@pytest.mark.parametrize(
    ("call", "package"),
    [
        ("make_env('londi/BabyAIText-GoToObjS4-v0')", "minigrid"),
        ("load_model('builtin:babyai-quick')", "torch"),
    ],
)
def test_a_call_that_needs_the_extra_says_so(call: str, package: str) -> None:
    ran = without_train(
        f"import londi\ntry: londi.{call}\nexcept londi.LondiError as error: print(error)"
    )
    assert ran.stdout == f"{package} is not installed; run: pip install 'londi[train]'\n", ran


@pytest.mark.parametrize(
    "command", ["demo", "train --out {out}", "tune runs/x --budget 2", "export x --out x.onnx"]
)
def test_a_verb_that_needs_the_extra_says_so(command: str, tmp_path: Path) -> None:
    args = command.format(out=tmp_path / "run").split()
    ran = without_train("import sys; from londi.cli.main import main; main(sys.argv[1:])", *args)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.endswith(" is not installed; run: pip install 'londi[train]'")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["train", "--help"], ["envs"]])
def test_what_needs_no_extra_works(args: list[str]) -> None:
    ran = without_train("import sys; from londi.cli.main import main; main(sys.argv[1:])", *args)
    assert ran.returncode == 0 and ran.stdout, ran.stderr


def test_another_package_that_is_missing_is_not_named_so() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"), errors.extras_named():
        import nothing_of_this_name  # noqa: F401
