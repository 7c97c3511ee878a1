"""How the page looks: its charts, by day and by night, on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page

from reports.comparison import (
    COSTS,
    FOUND,
    SURFACE,
    TOLD,
    elsewhere,
)


def contrast(page: Page, selector: str) -> float:
    """Of the text there against the page behind it (WCAG)."""
    colours = page.evaluate(
        """selector => [getComputedStyle(document.querySelector(selector)).color,
                        getComputedStyle(document.body).backgroundColor]""",
        selector,
    )

    def light(colour: str) -> float:
        parts = [int(x) / 255 for x in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(light, colours))
    return (high + 0.05) / (low + 0.05)


def test_it_can_be_read_by_day_and_by_night(opened: Callable[..., Page]) -> None:
    day, night = opened(color_scheme="light"), opened(color_scheme="dark")
    for page in (day, night):
        for selector in ("h1", "#played", "#operating b", "td small", ".step dt"):
            assert contrast(page, selector) >= 4.5, selector
    behind = "getComputedStyle(document.body).backgroundColor"
    assert day.evaluate(behind) != night.evaluate(behind)


def test_it_fits_a_telephone(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_paper_everything_is_there(opened: Callable[..., Page]) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#all-steps li").count() == 2
    assert page.locator("#all-steps").is_visible() and not page.locator("#step").is_visible()
    assert not page.locator("#cost").is_visible() and page.locator("#operating").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#reading dt").first.is_visible()


def test_no_cap_is_drawn_to_the_right_of_every_budget(opened: Callable[..., Page]) -> None:
    budgets = FOUND.curves[0].budgets
    free = elsewhere(budgets[0], budget=None)
    for shown in ([*budgets, free], [free]):
        page = opened(replace(FOUND, curves=[replace(FOUND.curves[0], budgets=shown)]), TOLD)
        points = page.locator("#budgets .point")
        assert points.count() == len(shown)
        assert "universal Switcher, no cap" in (points.last.get_attribute("aria-label") or "")
        places = [points.nth(k).bounding_box() for k in range(len(shown))]
        lefts = [place["x"] for place in places if place]
        assert len(lefts) == len(shown) and lefts == sorted(lefts)
        assert page.get_by_text("no cap", exact=True).count() == 2  # the tick and the slider


def test_the_operating_point_is_in_the_chart_wherever_it_is(opened: Callable[..., Page]) -> None:
    low = [elsewhere(p, return_mean=-1.0, return_ci=(-1.1, -0.9)) for p in SURFACE]
    page = opened(replace(FOUND, surface=low), TOLD)
    height = page.locator("#frontier svg").evaluate("svg => svg.viewBox.baseVal.height")
    assert 0 < float(page.locator("#here circle").get_attribute("cy") or "nan") < height


def test_on_paper_no_column_is_cut_off(opened: Callable[..., Page]) -> None:
    # As wide as A4 between margins of 15 mm.
    page = opened(viewport={"width": 680, "height": 960})
    page.emulate_media(media="print")
    size = "getComputedStyle(document.querySelector('#frontier text')).fontSize"
    assert page.evaluate(size) == "12px"
    table = page.locator("#methods").bounding_box()
    assert table is not None and table["x"] + table["width"] <= 680


def test_the_ring_is_on_a_line_that_is_explained(opened: Callable[..., Page]) -> None:
    page = opened()
    ring, way = page.locator("#here circle"), page.locator("#here .way").get_attribute("d") or ""
    place = [float(ring.get_attribute(name) or "nan") for name in ("cx", "cy")]
    corners = [[float(x) for x in part.split(",")] for part in way[1:].split("L")]
    assert len(corners) == len(COSTS)
    assert min(abs(x - place[0]) + abs(y - place[1]) for x, y in corners) < 0.01
    assert "The ring is the universal Switcher" in page.inner_text("#operate")


@pytest.mark.parametrize("width", [390, 1280])
def test_names_in_a_chart_cover_no_mark_and_no_name(
    opened: Callable[..., Page], width: int
) -> None:
    page = opened(viewport={"width": width, "height": 900})
    for chart in ("#frontier", "#budgets"):
        covered = page.evaluate(
            """chart => {
              const boxes = (what) => [...document.querySelectorAll(`${chart} ${what}`)]
                .map((e) => e.getBoundingClientRect());
              const meet = (a, b) => a.left < b.right && b.left < a.right
                && a.top < b.bottom && b.top < a.bottom;
              const names = boxes(".name"), marks = boxes(".mark");
              return names.flatMap((a, k) =>
                [...names.slice(k + 1), ...marks].filter((b) => meet(a, b))).length;
            }""",
            chart,
        )
        assert covered == 0, chart


def test_on_a_telephone_a_wide_table_shows_that_it_goes_on(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 800})
    assert page.evaluate(
        "(() => { const s = document.querySelector('.scroll'); return s.scrollWidth > s.clientWidth"
        " && getComputedStyle(s).backgroundImage.split('linear-gradient').length === 5; })()"
    )
