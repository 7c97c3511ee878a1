"""The shape of the package: imports only go down, no cycles, short files, and a cheap import."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import londi

ROOT = Path(londi.__file__).parent

LEVELS = (
    "errors",
    "types",
    "config",
    "storage",
    "envs",
    "models",
    "encoders",
    "switching",
    "scale",
    "learning",
    "oracle",
    "planning",
    "baselines",
    "evaluation",
    "imitation",
    "reports",
    "serve",
    "cli",
    "__main__",
)
"""Packages and modules from the ground up; an import only goes to an earlier one, or stays."""

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


def package(module: str) -> str:
    return module.split(".")[1]


INNER = [module for module in MODULES if module != "londi"]


def test_the_reader_of_imports_sees_what_is_there() -> None:
    # Were it blind, every test below would pass.
    assert "londi.envs.episode" in imports("londi.imitation.demonstrations")
    assert "londi.models.scripted" in imports("londi.models.registry")  # inside a function


@pytest.mark.parametrize("module", INNER)
def test_every_module_has_a_level(module: str) -> None:
    assert package(module) in LEVELS, "give the new package a line in LEVELS"


@pytest.mark.parametrize("module", INNER)
def test_imports_only_go_down(module: str) -> None:
    for other in imports(module):
        assert other != "londi", "what is inside must not import the package's front"
        down = LEVELS.index(package(other)) < LEVELS.index(package(module))
        assert down or package(other) == package(module), other


def test_there_are_no_cycles() -> None:
    graph = {module: imports(module) for module in INNER}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_few_packages_are_tied_to_one_another() -> None:
    pairs = {(package(module), package(other)) for module in INNER for other in imports(module)}
    assert len({(a, b) for a, b in pairs if a != b}) <= 114


@pytest.mark.parametrize("module", MODULES)
def test_every_file_says_what_it_does(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", MODULES)
def test_a_file_has_at_most_400_lines(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400


def test_importing_londi_brings_no_torch() -> None:
    code = (
        "import sys, londi\n"
        "heavy = {'torch', 'transformers', 'minigrid', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
