"""Templates of pages: a file with places, and the style of all pages.

This file knows places, and no figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

PAGE = files("londi.reports") / "page"
"""Folder of the reports' templates."""


def style() -> str:
    """The style of all pages, in CSS."""
    return (PAGE / "report.css").read_text(encoding="utf-8")


def fill(template: str, parts: Mapping[str, str], folder: Traversable = PAGE) -> str:
    """A page with the style of all pages.

    Args:
        template: its file.
        parts: texts by the name of their place; they are filled in this order, and nothing in
            the last is taken for a place.
        folder: of the template.
    """
    text = (folder / template).read_text(encoding="utf-8")
    for name, part in ({"style": style()} | dict(parts)).items():
        before, place, after = text.partition("{{" + name + "}}")
        assert place, name
        text = before + part + after
    return text
