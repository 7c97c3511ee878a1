"""The shape of the package: imports only go down, and importing it is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import londi

ROOT = Path(londi.__file__).parent

LEVELS = {
    "errors": 0,
    "config": 0,
    "types": 0,
    "episodes": 0,
    "budget": 1,
    "prompts": 1,
    "encoder": 1,
    "replay": 1,
    "envs": 1,
    "models": 1,
    "checkpoint": 1,
    "runs": 1,
    "settings": 1,
    "pair": 2,
    "terms": 2,
    "foresight": 2,
    "sac": 2,
    "priced": 3,
    "conditioned": 3,
    "reachable": 3,
    "demonstrations": 2,
    "switcher": 4,
    "switching": 4,
    "course": 5,
    "finetune": 5,
    "train": 5,
    "evaluate": 5,
    "tune": 5,
    "baselines": 5,
    "curves": 5,
    "frontier": 5,
    "timelines": 5,
    "report": 5,
    "limit": 5,
    "sweep": 5,
    "exact": 5,
    "progress": 5,
    "signatures": 5,
    "plot": 5,
    "metrics": 5,
    "cli": 6,
    "__main__": 7,
}
"""The level of each module; a package gives its level to what is in it."""

SIDEWAYS = {1, 5}
"""Levels whose modules may import each other, as long as no cycle comes of it."""

MODULES = {
    ".".join(("londi", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in sorted(ROOT.rglob("*.py"))
}


def imports(module: str) -> set[str]:
    """The modules of londi that `module` imports anywhere in its code, its own parents left out."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parts, node.module or ""]).rstrip(".") if node.level else node.module
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                found.add(deeper if deeper in MODULES else str(base))
    return {name for name in found if name in MODULES} - {module}


def level(module: str) -> int:
    return LEVELS[module.split(".")[1]]


INNER = [module for module in MODULES if module != "londi"]


def test_the_reader_of_imports_sees_what_is_there() -> None:
    # Were it blind, every test below would pass.
    assert imports("londi.demonstrations") == {
        "londi.envs",
        "londi.envs.episode",
        "londi.errors",
        "londi.prompts",
    }
    assert "londi.models.scripted" in imports("londi.models")  # inside a function


@pytest.mark.parametrize("module", INNER)
def test_every_module_has_a_level(module: str) -> None:
    assert module.split(".")[1] in LEVELS, "give the new module a line in LEVELS"


@pytest.mark.parametrize("module", INNER)
def test_imports_only_go_down(module: str) -> None:
    for other in imports(module):
        assert other != "londi", "what is inside must not import the package's front"
        near = level(other) == level(module) and level(module) in SIDEWAYS
        assert level(other) < level(module) or near or level(module) == 0 == level(other), other


def test_there_are_no_cycles() -> None:
    # A parent package that lazily imports its parts is no cycle of theirs: a part may import a
    # sibling, and none imports its own parent's names.
    graph = {module: imports(module) for module in INNER}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_every_file_says_what_it_does(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_importing_londi_brings_no_torch() -> None:
    code = (
        "import sys, londi\n"
        "heavy = {'torch', 'transformers', 'minigrid', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
