"""`londi report`: the page in a real browser, the table and the picture beside it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from londi.errors import LondiError
from londi.evaluation.curves import (
    CurvePoint,
    Estimate,
    Frontier,
    LimitPoint,
    MethodCurve,
    Replay,
    ReplayStep,
    write_frontier,
)
from londi.evaluation.metrics import Result
from londi.reports.html import PICTURE, REPORT, TABLE, report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
COSTS = (0.001, 0.01, 0.04)
BUDGETS = (2, 8, None)
NASTY = 'go to </script><b id="nasty">the ball</b> & "{{data}}"'


def result(method: str, rate: float, value: float, **more: Any) -> Result:
    plain = Result(
        method=method,
        env="londi/Somewhere-v0",
        cost=0.01,
        budget=None,
        seed=(0, 1, 2),
        episodes=300,
        return_mean=value,
        return_ci=(value - 0.03, value + 0.03),
        success_rate=value,
        call_rate=rate,
        overspent=0.0,
        exceeded=0.0,
        lm_seconds=0.1,
        lm_flops=1e6,
        joules=0.0,
        cost_saved=1 - rate,
        pgr=(value - 0.5) / 0.35,
        substituted_actions=0.0,
        aborted=0,
    )
    return replace(plain, **more)


def curve(method: str, label: str, bend: float, ahead: Estimate | None) -> MethodCurve:
    points = [
        CurvePoint(f"at {rate:g}", result(method, rate, 0.5 + 0.35 * rate**bend), 0.9)
        for rate in (0.1, 0.3, 0.6)
    ]
    budgets = [
        CurvePoint("c = 0.01", result(method, n / 20, 0.5 + 0.35 * (n / 20) ** bend, budget=n), 0.9)
        for n in (2, 8)
    ]
    area = 1 / (1 + bend)
    return MethodCurve(
        method,
        label,
        points,
        budgets,
        Estimate(area, area - 0.02, area + 0.02),
        Estimate(area / 0.95, area / 0.95 - 0.02, area / 0.95 + 0.02),
        ahead,
        (0.1, 0.4, 0.8),
        Estimate(0.45, 0.4, 0.5),
    )


def moments(probability: float) -> list[ReplayStep]:
    """A step at which both do the same, and one at which they do not."""
    return [
        ReplayStep(
            "You see a wall",
            "go forward",
            "go forward",
            0,
            "go forward",
            0.04,
            0.0,
            0.8,
            0.0,
            False,
        ),
        ReplayStep(
            "You see <i>a door</i>",
            "turn left",
            "toggle",
            1,
            "toggle",
            probability,
            0.21,
            1.4,
            0.9,
            True,
        ),
    ]


SURFACE = [
    CurvePoint(
        f"c = {cost:g}",
        result("londi", 0.5 - 10 * cost, 0.8 - cost - 0.3 / (n or 100), cost=cost, budget=n),
        0.9,
    )
    for n in BUDGETS
    for cost in COSTS
]
FOUND = Frontier(
    env="londi/Somewhere-v0",
    cost=0.01,
    episodes=300,
    seeds=(0, 1, 2),
    quick=result("quick", 0.0, 0.5),
    deepthink=result("deepthink", 1.0, 0.85),
    curves=[
        curve("londi", "universal Switcher", 0.3, None),
        curve("random", "random", 0.8, Estimate(0.2, 0.1, 0.3)),
        curve("cql", "CQL <with> budget", 0.6, Estimate(0.1, 0.0, 0.2)),
    ],
    surface=SURFACE,
    limit=[
        LimitPoint(0, 0.0, 0.5, 0.5),
        LimitPoint(1, 0.05, 0.8, 0.85),
        LimitPoint(2, 0.1, 0.88, 0.9),
    ],
    limit_budgets=[
        LimitPoint(0, 0.0, 0.5, 0.5),
        LimitPoint(1, 0.05, 0.8, 0.85),
        LimitPoint(2, 0.1, 0.88, 0.9),
    ],
    limit_apgr=0.95,
)
TOLD = [
    Replay(episode, goal, cost, None, 0.9, True, moments(0.9 - 10 * cost))
    for episode, goal in ((7, NASTY), (8, "open the door"))
    for cost in COSTS
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


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


def cells(page: Page) -> list[list[str]]:
    return [
        [cell.inner_text() for cell in row.query_selector_all("td")]
        for row in page.query_selector_all("#methods tbody tr")
    ]


def test_it_says_what_was_played_and_what_came_of_it(opened: Callable[..., Page]) -> None:
    page = opened()
    assert page.inner_text("#played") == (
        "londi/Somewhere-v0, 300 held-out episodes, 3 training seeds"
    )
    headline = page.inner_text("#headline")
    assert "45% 40% to 50%" in headline and "0.77" in headline and "81%" in headline
    assert [row[0] for row in cells(page)] == [c.label for c in FOUND.curves]
    assert cells(page)[1][3] == "0.200\n0.100 to 0.300"
    assert page.locator("#frontier [data-curve]").count() == 3


def test_the_sliders_move_the_operating_point(opened: Callable[..., Page]) -> None:
    page = opened()
    said = page.inner_text("#operating")
    assert "a call costs 0.01, the Switcher lets DEEPTHINK act at 40% of the steps" in said
    assert "returns 0.79" in said and "saves 60%" in said
    before = page.locator("#here circle").get_attribute("cx")
    page.focus("#cost")
    page.keyboard.press("ArrowRight")
    page.focus("#budget")
    page.keyboard.press("ArrowLeft")
    said = page.inner_text("#operating")
    assert "costs 0.04 and an episode may make 8 calls" in said
    assert "at 10% of the steps and returns 0.72" in said
    assert page.locator("#here circle").get_attribute("cx") != before
    assert page.evaluate("location.hash") == "#cost=0.04&budget=8&episode=7"
    # The same place by its address.
    again = opened(address="#cost=0.04&budget=8&episode=8")
    assert again.inner_text("#operating") == said
    assert again.locator("#episode").input_value() == "1"
    assert "cost=0.04" in again.evaluate("location.hash")


def test_an_address_that_leads_nowhere_is_near_enough(opened: Callable[..., Page]) -> None:
    page = opened(address="#cost=nonsense&budget=77&episode=x")
    assert "a call costs 0.01, the" in page.inner_text("#operating")


def test_a_curve_is_hidden_and_shown(opened: Callable[..., Page]) -> None:
    page = opened()
    line = page.locator('#frontier [data-curve="1"]')
    capped = page.locator('#budgets [data-curve="1"]')
    button = page.get_by_role("button", name="random")
    assert line.is_visible() and capped.is_visible()
    button.click()
    assert not line.is_visible() and not capped.is_visible()
    assert button.get_attribute("aria-pressed") == "false"
    button.press("Enter")
    assert line.is_visible()


def test_a_point_says_its_figures_to_the_keyboard(opened: Callable[..., Page]) -> None:
    page = opened()
    point = page.locator('#frontier [data-curve="0"] .point').first
    point.focus()
    tip = page.locator("#tooltip")
    assert tip.is_visible()
    assert tip.inner_text().startswith("universal Switcher, at 0.1: return 0.68 (0.65 to 0.71)")
    assert point.get_attribute("aria-label") == tip.inner_text()
    page.focus("#cost")
    assert not tip.is_visible()


def test_the_table_is_sorted(opened: Callable[..., Page]) -> None:
    page = opened()
    head = page.locator("#methods th button").nth(1)
    head.click()
    assert [row[0] for row in cells(page)] == ["universal Switcher", "CQL <with> budget", "random"]
    head.click()
    assert [row[0] for row in cells(page)] == ["random", "CQL <with> budget", "universal Switcher"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_an_episode_is_told_step_by_step(opened: Callable[..., Page]) -> None:
    page = opened()
    assert page.locator("#strip .cell").count() == 2
    first = page.inner_text("#step")
    assert "Step 1 of 2" in first and "Both models would\ngo forward" in first
    assert "would have left it to QUICK" in first
    page.focus("#strip")
    page.keyboard.press("ArrowRight")
    second = page.inner_text("#step")
    assert "You see <i>a door</i>" in second and "QUICK would\nturn left" in second
    assert "DEEPTHINK would\ntoggle" in second and "Acted\nDEEPTHINK" in second
    assert "+0.21 return for +1.4 calls, which cost 0.014" in second
    assert "probability 0.80" in second and "would have called DEEPTHINK here" in second
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#step") == second
    assert "solved, return 0.90, 1 call in 2 steps" in page.inner_text("#timeline-terms")
    # At another cost, the episode as it went there.
    page.focus("#cost")
    page.keyboard.press("ArrowLeft")
    assert "c = 0.001" in page.inner_text("#timeline-terms")
    assert "probability 0.89" in page.inner_text("#step")
    page.locator("#strip .cell").first.click()
    assert "Step 1 of 2" in page.inner_text("#step")


def test_no_text_of_an_episode_becomes_part_of_the_page(opened: Callable[..., Page]) -> None:
    page = opened()
    assert page.locator("#nasty").count() == 0 and page.locator("#step i").count() == 0
    assert page.locator("#episode option").first.inner_text() == NASTY


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


def test_what_was_not_played_is_left_out(opened: Callable[..., Page]) -> None:
    alone = replace(FOUND.curves[0], of_limit=None, budgets=[])
    found = replace(FOUND, curves=[alone], limit=[], limit_budgets=[], limit_apgr=None)
    page = opened(found, [])
    assert "clairvoyant" not in page.inner_text("#headline")
    assert "clairvoyant" not in page.inner_text("#methods")
    assert page.locator("#frontier .limit-line").count() == 0
    assert not page.locator("#budgets-section").is_visible()
    assert not page.locator("#timelines-section").is_visible()
    unknown = [replace(TOLD[0], steps=[replace(m, clairvoyant=None) for m in TOLD[0].steps])]
    assert "not known" in opened(FOUND, unknown).inner_text("#step")


def elsewhere(point: CurvePoint, **more: Any) -> CurvePoint:
    return replace(point, result=replace(point.result, **more))


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


def test_without_a_surface_the_episodes_are_still_told(opened: Callable[..., Page]) -> None:
    page = opened(replace(FOUND, surface=[]), TOLD)
    assert not page.locator("#operate").is_visible()
    assert "Step 1 of 2" in page.inner_text("#step")
    assert "c = 0.01, no cap" in page.inner_text("#timeline-terms")


def test_the_episode_told_is_of_the_nearest_terms(opened: Callable[..., Page]) -> None:
    capped = [replace(line, budget=n) for line in TOLD for n in (2, 4)]
    page = opened(FOUND, capped, "#cost=0.01&budget=8")
    assert "c = 0.01, at most 4 calls" in page.inner_text("#timeline-terms")
    free = replace(FOUND, surface=[elsewhere(p, cost=p.result.cost - 0.001) for p in SURFACE])
    told = [replace(line, cost=line.cost - 0.001) for line in reversed(TOLD)]
    page = opened(free, told, "#cost=0&budget=none")
    assert "c = 0, no cap" in page.inner_text("#timeline-terms")


def test_an_address_is_followed_while_the_page_is_open(opened: Callable[..., Page]) -> None:
    page = opened()
    page.evaluate("location.hash = '#cost=0.04&budget=2&episode=8'")
    page.wait_for_function("document.getElementById('cost').value === '2'")
    assert "costs 0.04 and an episode may make 2 calls" in page.inner_text("#operating")
    assert page.locator("#episode").input_value() == "1"


def test_on_paper_no_column_is_cut_off(opened: Callable[..., Page]) -> None:
    # As wide as A4 between margins of 15 mm.
    page = opened(viewport={"width": 680, "height": 960})
    page.emulate_media(media="print")
    size = "getComputedStyle(document.querySelector('#frontier text')).fontSize"
    assert page.evaluate(size) == "12px"
    table = page.locator("#methods").bounding_box()
    assert table is not None and table["x"] + table["width"] <= 680


def test_it_says_where_its_figures_are_from(opened: Callable[..., Page]) -> None:
    page = opened()
    said = page.locator("#provenance").text_content() or ""
    assert "londi/Somewhere-v0: the same 300 held-out episodes" in said
    assert "seeds 0, 1, 2" in said and "units of return" in said
    assert page.locator("#dots").is_visible()
    unknown = [replace(TOLD[0], steps=[replace(m, clairvoyant=None) for m in TOLD[0].steps])]
    assert not opened(FOUND, unknown).locator("#dots").is_visible()


def test_what_is_not_a_number_makes_no_empty_page(tmp_path: Path) -> None:
    broken = replace(FOUND.curves[0], apgr=Estimate(float("nan"), 0.0, 1.0))
    write_frontier(tmp_path, replace(FOUND, curves=[broken]), TOLD)
    with pytest.raises(LondiError, match="is damaged"):
        report(tmp_path)
    assert not (tmp_path / REPORT).exists()


def test_the_table_and_the_picture_lie_beside_it(tmp_path: Path) -> None:
    write_frontier(tmp_path, FOUND, TOLD)
    assert report(tmp_path) == tmp_path / REPORT
    rows = list(csv.DictReader((tmp_path / TABLE).read_text(encoding="utf-8").splitlines()))
    kinds = [row["kind"] for row in rows]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "alone": 2,
        "curve": 9,
        "budget": 6,
        "surface": 9,
        "limit": 6,
    }
    there = next(row for row in rows if row["method"] == "cql" and row["budget"] == "8")
    assert float(there["return"]) == pytest.approx(0.5 + 0.35 * 0.4**0.6)
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*part*"))


def test_where_there_is_nothing_to_tell_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match="no frontier in"):
        report(tmp_path)
    write_frontier(tmp_path, FOUND, TOLD)
    (tmp_path / "timelines.json").unlink()
    with pytest.raises(LondiError, match=r"it has no timelines\.json"):
        report(tmp_path)
    write_frontier(tmp_path, FOUND, TOLD)
    (tmp_path / "frontier.json").write_text(json.dumps({"env": "x"}))
    with pytest.raises(LondiError, match="is damaged"):
        report(tmp_path)
    assert not (tmp_path / REPORT).exists()


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


def test_one_word_for_what_is_saved(opened: Callable[..., Page]) -> None:
    page = opened()
    page.evaluate("document.getElementById('reading').open = true")
    shown = page.inner_text("body").lower()
    assert "calls saved" in shown and "cost saved" not in shown and "of the cost" not in shown


def test_on_a_telephone_a_wide_table_shows_that_it_goes_on(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 800})
    assert page.evaluate(
        "(() => { const s = document.querySelector('.scroll'); return s.scrollWidth > s.clientWidth"
        " && getComputedStyle(s).backgroundImage.split('linear-gradient').length === 5; })()"
    )
