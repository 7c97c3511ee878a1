"""The pages: their code runs, their commands parse, their links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import londi
from londi.cli.main import VERBS
from londi.cli.parser import parse
from londi.config.finetune import FinetuneConfig
from londi.config.prices import PriceTable
from londi.config.serve import GatewayConfig, ServeConfig
from londi.config.settings import read_config
from londi.config.sweep import SweepConfig
from londi.errors import LondiError
from londi.storage.trace_tables import described

ROOT = Path(__file__).parent.parent
PACKAGE = Path(londi.__file__).parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WORLD = ROOT / "docs" / "how-to" / "own-environment.md"

_FENCE = re.compile(r"(<!-- not run: .+? -->\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FOLDERS = "benchmarks|configs|docs|examples|notebooks|recipes|scripts|src|tests"
_PATH = re.compile(rf"(?<![\w./-])(?:{_FOLDERS})/[\w./-]+")
_SPAN = re.compile(r"`([^`\n]+)`")
_GOES_ON = re.compile(r"^Python on this page goes on from \[[^\]]+\]\(([^)]+)\)\.$", re.M)


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


def before(page: Path) -> Path | None:
    """The page whose Python comes first, if the page says so."""
    told = _GOES_ON.search(page.read_text(encoding="utf-8"))
    return (page.parent / told[1]).resolve() if told else None


def courses() -> dict[Path, list[Path]]:
    """Pages with Python by the page that begins, each behind the one that it goes on from."""
    found: dict[Path, list[Path]] = {}
    for page in PAGES:
        way = [page]
        while (earlier := before(way[0])) is not None:
            way.insert(0, earlier)
        course = found.setdefault(way[0], []) if blocks(page, "python") else []
        course += [step for step in way if step not in course]
    return found


COURSES = courses()
TAUGHT = [page for course in COURSES.values() for page in course]


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
    assert sum(len(blocks(page, "python")) for page in TAUGHT) > 30
    assert len(COURSES[ROOT / "docs" / "how-to" / "example.md"]) > 5
    assert sum(block.marked for page in TAUGHT for block in blocks(page, "python")) <= 2


@pytest.mark.parametrize("first", COURSES, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(first: Path, tmp_path: Path) -> None:
    script = ["spaces = {'None': {'__name__': '__main__'}}"]
    for page in COURSES[first]:
        # What an earlier page has defined is there; what a page beside it has is not.
        script.append(f"spaces[{str(page)!r}] = dict(spaces[{str(before(page))!r}])")
        for block in [*blocks(page, "yaml"), *blocks(page, "python")]:
            file = _FILE.match(block.code)
            if file:
                (tmp_path / file[1]).write_text(block.code, encoding="utf-8")
            elif block.language == "python" and not block.marked:
                # Empty lines in front, so that a traceback tells the line of the page.
                code = "\n" * (block.line - 1) + block.code
                script.append(
                    f"exec(compile({code!r}, {str(page)!r}, 'exec'), spaces[{str(page)!r}])"
                )
    ran = python("\n".join(script), tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_the_world_of_the_page_is_the_template() -> None:
    block = next(block for block in blocks(WORLD, "python") if _FILE.match(block.code))
    template = ROOT / "examples" / "environment" / "shelves.py"
    assert block.code == f"# {template.name}\n{template.read_text(encoding='utf-8')}"


def called(page: Path) -> Iterator[list[str]]:
    """The commands in the bash blocks of a page, as lists of words."""
    for block in blocks(page, "bash"):
        for line in block.code.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|", line):
                words = shlex.split(part, comments=True)
                while words and re.match(r"\w+=", words[0]):
                    words.pop(0)  # a variable of the environment
                if words:
                    yield words


def commands(page: Path) -> Iterator[list[str]]:
    """The `londi` commands in the bash blocks of a page, as lists of arguments."""
    return (words[1:] for words in called(page) if words[0] == "londi")


COMMANDS = [(name(page), arguments) for page in PAGES for arguments in commands(page)]


@pytest.mark.parametrize(("page", "arguments"), COMMANDS, ids=lambda value: str(value)[:60])
def test_a_command_of_a_page_parses(
    page: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    asked = parse(VERBS, arguments)
    assert asked is not None
    assert asked[0].name == arguments[0]


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash")], ids=name)
def test_other_commands_of_a_page_can_be_called(page: Path) -> None:
    for block in blocks(page, "bash"):
        read = subprocess.run(["bash", "-n"], input=block.code, text=True, capture_output=True)
        assert read.returncode == 0, read.stderr
    for words in called(page):
        for script in words[:2]:  # a file of the repository, by itself or behind `python`
            if re.match(rf"(?:{_FOLDERS})/", script):
                assert (ROOT / script).exists(), script
        for extras in re.findall(r"(?:londi|\.)\[([\w,-]+)\]", " ".join(words)):
            assert set(extras.split(",")) <= EXTRAS.keys(), extras


SETTINGS = (ServeConfig, GatewayConfig, SweepConfig, PriceTable, FinetuneConfig)
"""What a file of YAML on a page may hold."""


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page in PAGES for block in blocks(page, "yaml") if not block.marked],
    ids=lambda value: name(value) if isinstance(value, Path) else str(value.line),
)
def test_the_yaml_of_a_page_can_be_read(page: Path, block: Block, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(block.code, encoding="utf-8")
    refused = []
    for kind in SETTINGS:
        try:
            read_config(file, kind)
            return
        except LondiError as error:
            refused.append(str(error))
    raise AssertionError(f"{name(page)}, line {block.line}: {refused}")


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
    page = (ROOT / "docs" / "reference" / "traces.md").read_text(encoding="utf-8")
    assert page.endswith(described()), "run scripts/trace-columns"
