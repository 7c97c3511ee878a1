"""Objects of a user's own, named `module:attribute`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from londi.errors import InvalidConfig, LondiError, UnknownName
from londi.storage.names import build, is_spec, resolve

SOURCE = """
from functools import partial

class Model:
    class Inner:
        size = 3

    def __init__(self):
        self.seed = None

class Seeded:
    def __init__(self, seed, width=4):
        self.seed, self.width = seed, width

def needs(weights):
    return weights

def fails():
    raise RuntimeError("no\\n  weights")

ready = Seeded(9)
made_later = partial(Seeded, width=8)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "named_things.py").write_text(SOURCE)
    package = tmp_path / "named_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("value = 5\n")
    (package / "broken.py").write_text("import a_module_that_is_not_there\n")
    (package / "raises.py").write_text("raise ValueError('two\\nlines')\n")
    (package / "torn.py").write_text("def (\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield


@pytest.mark.parametrize("spec", ["mine:Model", "a.b_c.d:Model", "mine:Model.Inner", "größe:Wert"])
def test_what_names_an_attribute_of_a_module(spec: str) -> None:
    assert is_spec(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "mine",
        "mine:",
        ":Model",
        "a:b:c",
        "./mine:Model",
        "/models/a:b",
        "C:\\models\\t5",
        "C:/models/t5",
        "builtin:babyai-quick",
        "google/flan-t5-small",
        "owner/name:tag",
        "mine:Model\n",
        "mine :Model",
        "1st:Model",
        "mine:namespace/Name-v0",
    ],
)
def test_what_does_not(spec: str) -> None:
    assert not is_spec(spec)
    with pytest.raises(InvalidConfig, match="model: expected module:name"):
        resolve(spec, "model")


def test_what_is_named_is_found() -> None:
    assert resolve("named_package.deep:value", "encoder") == 5
    assert resolve("named_things:Model.Inner.size", "encoder") == 3
    found = resolve("named_things:Model", "model")
    assert isinstance(found, type) and found.__name__ == "Model"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("no_such_module:x", "cannot import 'no_such_module': ModuleNotFoundError"),
        ("named_package.no:x", "cannot import 'named_package.no'"),
        ("named_package.broken:x", "a_module_that_is_not_there"),
        ("named_package.raises:x", "ValueError: two lines"),
        ("named_package.torn:x", "SyntaxError"),
        ("named_things:Modle", "did you mean 'Model'?"),
        ("named_things:Model.Iner", "did you mean 'Inner'?"),
    ],
)
def test_what_cannot_be_found_is_one_line(spec: str, said: str) -> None:
    with pytest.raises(LondiError) as caught:
        resolve(spec, "model")
    assert said in str(caught.value) and str(caught.value).startswith(("model", "unknown model"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_attribute_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName):
        resolve("named_things:Modle", "model")


def test_classes_and_functions_are_called_and_objects_taken_as_they_are() -> None:
    made = build("named_things:Model", "model", seed=3)
    assert type(made).__name__ == "Model"
    seeded = build("named_things:Seeded", "model", seed=3, other=1)
    assert vars(seeded) == {"seed": 3, "width": 4}
    assert vars(build("named_things:made_later", "model", seed=3)) == {"seed": 3, "width": 8}
    ready = build("named_things:ready", "model", seed=3)
    assert ready is resolve("named_things:ready", "model") and vars(ready)["seed"] == 9


@pytest.mark.parametrize(
    ("spec", "said"),
    [("needs", "missing 1 required positional argument: 'weights'"), ("fails", "no weights")],
)
def test_what_cannot_be_made_is_one_line(spec: str, said: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        build(f"named_things:{spec}", "model")
    assert said in str(caught.value) and f"'named_things:{spec}'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
