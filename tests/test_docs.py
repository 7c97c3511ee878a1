"""The pages: their code runs, their commands parse, their links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import londi
from londi.cli.main import VERBS
from londi.cli.parser import parse
from londi.storage.trace_tables import described

ROOT = Path(__file__).parent.parent
PACKAGE = Path(londi.__file__).parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
WORLD = ROOT / "docs" / "environments.md"
TAUGHT = [ROOT / "README.md", ROOT / "docs" / "guide.md", WORLD]
"""Pages whose Python is run."""

_FENCE = re.compile(r"(<!-- not run: .+? -->\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FOLDERS = "benchmarks|configs|docs|examples|recipes|scripts|src|tests"
_PATH = re.compile(rf"(?<![\w./-])(?:{_FOLDERS})/[\w./-]+")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: the word behind the fence.
        code: the text between the fences.
        line: the line of the page on which the code begins.
        marked: whether the page says that it is not run, and why.
    """

    language: str
    code: str
    line: int
    marked: bool


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match[2], match[3], text[: match.start(3)].count("\n") + 1, bool(match[1]))
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if block.language == language]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process and a folder of its own, with nothing of the user's."""
    own = {"HOME": str(folder), "PYTHONPATH": str(PACKAGE.parent), "MPLBACKEND": "Agg"}
    own["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network when it is imported
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
    )


def test_blocks_are_found() -> None:
    # Were none found, every test below would pass.
    assert len(blocks(ROOT / "docs" / "guide.md", "python")) > 10
    assert sum(block.marked for page in TAUGHT for block in blocks(page, "python")) <= 2


@pytest.mark.parametrize("page", TAUGHT, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    script = ["namespace = {'__name__': '__main__'}"]
    for block in [*blocks(page, "yaml"), *blocks(page, "python")]:
        file = _FILE.match(block.code)
        if file:
            (tmp_path / file[1]).write_text(block.code, encoding="utf-8")
        elif block.language == "python" and not block.marked:
            # Empty lines in front, so that a traceback tells the line of the page.
            code = "\n" * (block.line - 1) + block.code
            script.append(f"exec(compile({code!r}, {str(page)!r}, 'exec'), namespace)")
    ran = python("\n".join(script), tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_the_world_of_the_page_is_the_template() -> None:
    block = next(block for block in blocks(WORLD, "python") if _FILE.match(block.code))
    template = ROOT / "examples" / "environment" / "shelves.py"
    assert block.code == f"# {template.name}\n{template.read_text(encoding='utf-8')}"


def commands(page: Path) -> Iterator[list[str]]:
    """The `londi` commands in the bash blocks of a page, as lists of arguments."""
    for block in blocks(page, "bash"):
        for line in block.code.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["londi"]:
                    yield words[1:]


COMMANDS = [(name(page), arguments) for page in PAGES for arguments in commands(page)]


@pytest.mark.parametrize(("page", "arguments"), COMMANDS, ids=lambda value: str(value)[:60])
def test_a_command_of_a_page_parses(
    page: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    asked = parse(VERBS, arguments)
    assert asked is not None
    assert asked[0].name == arguments[0]


def test_every_verb_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for verb in VERBS:
        assert f"`londi {verb}" in text, verb


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


CURRENT = [page for page in PAGES if page.name != "log.md"]
"""The log keeps the names of its day."""


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    for path in _PATH.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / path.rstrip(".")).exists(), path


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    for span in _SPAN.findall(page.read_text(encoding="utf-8")):
        if re.fullmatch(r"londi(\.\w+)+(?<!\.json)", span):
            *folders, last = span.split(".")[1:]
            place = PACKAGE.joinpath(*folders)
            module = place / last
            if module.is_dir() or module.with_suffix(".py").is_file():
                continue
            # The last word is a name inside a module, or of the front.
            file = place.with_suffix(".py") if folders else PACKAGE / "__init__.py"
            assert file.is_file(), span
            assert re.search(rf"\b{last}\b", file.read_text(encoding="utf-8")), span


def defined(file: Path) -> set[str]:
    """The functions of a file, and its classes and their methods as `Class.method`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {
        f"{node.name}.{inner.name}"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef)
    }
    return found | {
        node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }


def test_the_path_of_one_step_enters_at_most_ten_files_and_each_once() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## The path of one step")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| *(\w*) *\| `(src/[^`]+)` \| (.+) \|$", section, re.M)
    files = [file for _, file, _ in rows]
    assert 5 <= len(files) == len(set(files)) <= 10
    parts = [part for part, *_ in rows if part]
    assert list(dict.fromkeys(parts)) == ["observe", "decide", "act", "store", "learn"]
    for _, file, where in rows:
        named = re.findall(r"`(\w+(?:\.\w+)?)`", where)
        known = defined(ROOT / file)
        assert any(one in known for one in named), file
        for one in named:
            assert one in known or "." not in one, f"{file}: {one}"


def test_every_package_stands_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for folder in PACKAGE.iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"`{folder.name}/`" in text, folder.name


PUBLIC = (
    "from londi import Budget, Switcher, SwitchingVectorEnv, TrainConfig, check_env, check_model,"
    " evaluate, load_model, make_env, train"
)
ALL_MODULES = (
    "import pkgutil, importlib, londi\n"
    "for module in pkgutil.walk_packages(londi.__path__, 'londi.'):\n"
    "    if module.name != 'londi.__main__':\n"
    "        importlib.import_module(module.name)"
)
CALLABLE = "import londi\nassert all(callable(getattr(londi, name)) for name in londi.__all__)"


@pytest.mark.parametrize(
    "order", [(PUBLIC, CALLABLE, ALL_MODULES, CALLABLE, PUBLIC), (ALL_MODULES, PUBLIC, CALLABLE)]
)
def test_public_names_are_what_they_say_in_every_order_of_imports(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    ran = python("\n".join(order), tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_no_module_has_the_name_of_something_public() -> None:
    # It would take the name's place as soon as anybody imports it.
    modules = {file.stem for file in PACKAGE.iterdir()}
    assert not modules & set(londi.__all__)


def test_the_page_of_traces_has_the_columns_as_declared() -> None:
    page = (ROOT / "docs" / "traces.md").read_text(encoding="utf-8")
    assert page.endswith(described()), "run scripts/trace-columns"
