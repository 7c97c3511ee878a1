"""The documentation site: built without a warning, no dead link, no need of a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import londi
from browsers import browser as browser
from londi.cli.main import VERBS

ROOT = Path(__file__).parent.parent
PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.slow  # the site is built first


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. `scripts/site` ends with an error where there was a warning."""
    for module in ("zensical", "jupytext", "mkdocstrings"):
        pytest.importorskip(module, reason="pip install -c constraints.txt -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    own = {"PYTHONPATH": str(Path(londi.__file__).parent.parent)}
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "site", folder],
        env=os.environ | own,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "site"


@dataclass
class Read(HTMLParser):
    """What a page of HTML names.

    Attributes:
        anchors: places in it.
        links: what a reader may follow.
        loaded: what the browser loads by itself.
        paragraphs: their texts.
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    _open: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(values.get("href", ""))
        elif tag in ("script", "img", "iframe", "source") and "src" in values:
            self.loaded.append(values["src"])
        if tag == "p":
            self._open = True
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def read(site: Path) -> dict[Path, Read]:
    found = {}
    for file in site.rglob("*.html"):
        found[file] = Read()
        found[file].feed(file.read_text(encoding="utf-8"))
    assert len(found) > 50
    return found


def test_every_link_leads_somewhere(site: Path, read: dict[Path, Read]) -> None:
    dead = []
    for page, names in read.items():
        if page.name == "404.html":  # it is shown at any address, so that its links are absolute
            continue
        for link in {*names.links, *names.loaded}:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data", "mailto"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            there = target.is_file() and (
                not anchor or target not in read or anchor in read[target].anchors
            )
            if not there:
                dead.append(f"{page.relative_to(site)}: {link}")
    assert not dead


def test_every_page_is_in_the_menu(site: Path, read: dict[Path, Read]) -> None:
    linked = {(site / urlsplit(link).path).resolve() for link in read[site / "index.html"].links}
    assert read.keys() - linked == {site / "404.html"}


def test_nothing_is_loaded_from_another_address(site: Path, read: dict[Path, Read]) -> None:
    for page, names in read.items():
        assert not [file for file in names.loaded if "//" in file.split("?")[0]], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_no_markdown_is_left(read: dict[Path, Read]) -> None:
    for page, names in read.items():
        for text in names.paragraphs:
            assert not re.search(r"^(- |\| |#+ |::: |--8<--|```)", text, re.M), f"{page}: {text}"


def test_every_public_name_is_in_the_reference(read: dict[Path, Read], site: Path) -> None:
    anchors = read[site / "reference" / "api.html"].anchors
    for name in londi.__all__:
        assert any(re.fullmatch(rf"londi\..*\.{name}", anchor) for anchor in anchors), name


def test_every_verb_is_in_the_reference(read: dict[Path, Read], site: Path) -> None:
    anchors = read[site / "reference" / "cli.html"].anchors
    assert {f"londi-{verb}" for verb in VERBS} <= anchors


@pytest.fixture
def page(browser: Browser) -> Page:
    """A page on a phone without a network."""
    context = browser.new_context(viewport=PHONE, offline=True)  # type: ignore[arg-type]
    return context.new_page()


def test_the_search_finds_a_page_without_a_network(site: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Search").fill("shadow answers")
    found = page.get_by_role("option", name="Shadow answers").first
    expect(found).to_be_visible()
    found.click()
    expect(page.get_by_role("heading", name="Shadow answers")).to_be_visible()
    assert "traces.html" in page.url
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked


def test_the_first_page_fits_the_screen_of_a_phone(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    last = page.locator("article > *").last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= PHONE["height"]


def test_no_page_is_wider_than_a_phone(site: Path, page: Page) -> None:
    for file in site.rglob("*.html"):
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], file
