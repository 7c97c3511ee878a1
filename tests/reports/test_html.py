"""`londi report`: the page in a real browser, the table and the picture beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from londi.errors import LondiError
from londi.evaluation.curves import (
    Estimate,
    write_frontier,
)
from londi.reports.html import PICTURE, REPORT, TABLE, report
from reports.comparison import (
    FOUND,
    NASTY,
    SURFACE,
    TOLD,
    elsewhere,
)


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
    assert "returns 0.79" in said
    assert "saves 60% of DEEPTHINK’s calls, 48% of the seconds in the models and" in said
    assert said.endswith("and 60% of the money.")
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


def test_savings_that_are_not_known_are_not_told(opened: Callable[..., Page]) -> None:
    """Release 0.1 counted no processor seconds, and knew no prices."""
    unknown = {"lm_cpu_seconds": None, "money": None, "money_saved": None}
    page = opened(replace(FOUND, surface=[elsewhere(p, **unknown) for p in FOUND.surface]))
    assert page.inner_text("#operating").endswith("It saves 60% of DEEPTHINK’s calls.")


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
    with pytest.raises(LondiError, match=r"frontier\.json.*got no such key"):
        report(tmp_path)
    assert not (tmp_path / REPORT).exists()


def test_one_word_for_what_is_saved(opened: Callable[..., Page]) -> None:
    page = opened()
    page.evaluate("document.getElementById('reading').open = true")
    shown = page.inner_text("body").lower()
    assert "calls saved" in shown and "cost saved" not in shown and "of the cost" not in shown
