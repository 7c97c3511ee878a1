"""A real browser, and the page of a comparison in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from browsers import browser as browser
from londi.evaluation.curves import (
    Frontier,
    Replay,
    write_frontier,
)
from londi.reports.html import report
from reports.comparison import FOUND, TOLD


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open the page of a comparison; anything it asks of the network, or complains of, fails."""
    trouble: list[str] = []
    pages: list[Page] = []

    def opening(
        found: Frontier = FOUND, told: list[Replay] = TOLD, address: str = "", **look: Any
    ) -> Page:
        write_frontier(tmp_path, found, told)
        file = report(tmp_path)
        page = browser.new_page(**look)
        pages.append(page)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request",
            lambda asked: trouble.append(asked.url) if file.name not in asked.url else None,
        )
        page.goto(file.as_uri() + address)
        return page

    yield opening
    for page in pages:
        page.close()
    assert trouble == []
