"""What is around the package: its extras, the images, the citation, the wheel's check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from londi.cli.main import VERBS
from londi.cli.parser import parse

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
IMAGES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@pytest.fixture(scope="module")
def extras() -> ModuleType:
    """The script that tells what an extra brings."""
    loader = SourceFileLoader("londi_extras", str(ROOT / "scripts" / "extras"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, continued lines joined."""

    word: str
    rest: str


def instructions(file: Path) -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [Instruction(*line.split(" ", 1)) for line in lines if line.strip()]


def of(file: Path, word: str) -> list[str]:
    return [one.rest for one in instructions(file) if one.word == word]


def installed(file: Path) -> list[str]:
    """The extras that an image installs."""
    (names,) = (match[1] for match in re.finditer(r"'\.\[([\w,-]+)\]'", " ".join(of(file, "RUN"))))
    return list(names.split(","))


def test_there_is_an_image_for_training_and_one_for_serving() -> None:
    assert [file.name for file in IMAGES] == ["serve.Dockerfile", "train.Dockerfile"]


@pytest.mark.parametrize("file", IMAGES, ids=lambda file: str(file.name))
def test_an_image_can_be_made_of_what_is_here(file: Path) -> None:
    words = {one.word for one in instructions(file)}
    assert words <= {
        *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE"),
        *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
    }
    assert set(installed(file)) <= set(EXTRAS)
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    for line in of(file, "COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists() and source in sent, source
    needed = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "src"}
    assert needed <= {source for line in of(file, "COPY") for source in line.split()}
    for line in of(file, "RUN"):
        subprocess.run(["bash", "-n", "-c", line], check=True)
        for command in re.findall(r"pip install [^&;]+", line):
            assert "-c constraints.txt" in command and "--no-cache-dir" in command
    assert of(file, "USER")[-1] != "root"
    ((program,), command) = (json.loads(of(file, word)[0]) for word in ("ENTRYPOINT", "CMD"))
    assert program in PROJECT["scripts"]
    if command != ["--help"]:
        assert parse(VERBS, command)
    for line in file.read_text(encoding="utf-8").splitlines():  # as its own comments tell
        if ran := re.search(rf"londi-{file.name.partition('.')[0]} (\w+ .+)", line):
            assert parse(VERBS, ran[1].split()) or ran[1] == "."


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
@pytest.mark.parametrize("file", IMAGES, ids=lambda file: str(file.name))
def test_an_image_pleases_hadolint(file: Path) -> None:
    ran = subprocess.run(["hadolint", str(file)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_the_gateway_s_image_has_no_torch_and_asks_for_its_health(extras: ModuleType) -> None:
    file = ROOT / "docker" / "serve.Dockerfile"
    wanted = [line for extra in installed(file) for line in EXTRAS[extra]]
    found = extras.Closure([*PROJECT["dependencies"], *wanted], EXTRAS)
    assert {"starlette", "redis", "onnxruntime"} <= set(found.found)
    assert "torch" not in found.found
    (path,) = re.findall(r"127\.0\.0\.1:8080(/\w+)", of(file, "HEALTHCHECK")[0])
    assert f'Route("{path}"' in (ROOT / "src" / "londi" / "serve" / "gateway.py").read_text()


def test_the_sizes_of_extras_are_those_of_their_packages(extras: ModuleType) -> None:
    closure = extras.Closure(EXTRAS["client"], EXTRAS)
    assert {"httpx2", "anyio", "idna"} <= set(closure.found)
    package = closure.found["httpx2"]
    on_disk = Path(str(package.locate_file("httpx2")))
    listed = sum(file.stat().st_size for file in on_disk.rglob("*.py"))
    assert listed <= extras.size(package) < 10 * listed
    assert closure.megabytes() == pytest.approx(
        sum(extras.size(one) for one in closure.found.values()) / 1e6
    )
    assert extras.Closure(["londi[client]"], EXTRAS).found.keys() == closure.found.keys()
    assert extras.Closure(["nothing-of-this-name>=1"], {}).missing == {"nothing-of-this-name"}
    never = "nothing-of-this-name; python_version < '3'"
    assert not extras.Closure([never], {}).missing


def test_the_script_prints_a_line_an_extra() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "extras"), "client", "hub"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^\| `client` \| \d+ \| \d+ \| \|$", ran.stdout, re.M), ran.stdout
    assert "| `hub` |" in ran.stdout


def test_every_extra_and_its_size_stand_in_the_guide() -> None:
    guide = (ROOT / "docs" / "reference" / "extras.md").read_text(encoding="utf-8")
    for extra in set(EXTRAS) - {"test"}:
        assert re.search(rf"^\| `{extra}` \| [\d,]+ ", guide, re.M), extra


def test_the_citation_is_of_this_release() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["cff-version"] == "1.2.0" and told["message"] and told["title"] == PROJECT["name"]
    assert told["version"] == PROJECT["version"] and told["license"] == PROJECT["license"]
    assert told["authors"] == PROJECT["authors"]
    (paper,) = told["references"]
    assert paper["title"] == "All Language Models Large and Small" and len(paper["authors"]) == 3
    assert paper["identifiers"][0]["value"] == "arXiv:2402.12061"


def test_the_pythons_that_are_named_are_those_that_wheels_are_tried_on() -> None:
    script = (ROOT / "scripts" / "wheels").read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(ROOT / "scripts" / "wheels")], check=True)
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: 3." in line]
    assert named == ["3.11", "3.12", "3.13"]
    assert " ".join(named) in script
    assert "scripts/wheels" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
