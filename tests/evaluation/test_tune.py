"""`londi tune`: the cost that does what was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi import TrainConfig
from londi.config import TuneConfig
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError
from londi.evaluation.operating_point import OPERATING, load_operating_point
from londi.evaluation.tune import (
    CostCurve,
    best_value,
    call_rate,
    cheapest_call,
    keep_return,
    make_target,
    tune,
)
from londi.learning.trainer import train
from londi.models.pair import ModelPair
from londi.types import Reply, Usage
from playthings import TOY, UNIVERSAL, Corridor, Scripted, quick, toy

CURVE = CostCurve(
    returns=np.array([0.9, 0.86, 0.7, 0.3]),
    rates=np.array([0.8, 0.5, 0.2, 0.0]),
    money=np.array([4.0, 2.5, 1.0, 0.5]),
    deepthink=0.88,
)


def test_a_call_rate_is_met_between_the_two_costs_around_it() -> None:
    assert call_rate(0.8)(CURVE) == 0.0
    assert call_rate(0.35)(CURVE) == pytest.approx(1.5)
    assert call_rate(0.0)(CURVE) == 3.0


@pytest.mark.parametrize("wanted", [0.9, 1.0])
def test_a_call_rate_that_no_cost_has_is_refused(wanted: float) -> None:
    with pytest.raises(InvalidConfig, match=r"from 0\.000 to 0\.800, got"):
        call_rate(wanted)(CURVE)


def test_a_return_is_kept_as_cheaply_as_can_be() -> None:
    assert keep_return(0.86 / 0.88)(CURVE) == pytest.approx(1.0)
    assert keep_return(0.78 / 0.88)(CURVE) == pytest.approx(1.5)
    assert keep_return(0.0)(CURVE) == 3.0
    with pytest.raises(InvalidConfig, match=r"at most 0\.900 where DEEPTHINK alone has 0\.880"):
        keep_return(1.1)(CURVE)


def test_of_a_negative_return_less_is_kept_below_it() -> None:
    curve = replace(CURVE, returns=CURVE.returns - 1.0, deepthink=-0.12)
    assert keep_return(0.5)(curve) == pytest.approx(1 + (0.86 - 0.82) / 0.16)


@pytest.mark.parametrize(("worth", "place"), [(100.0, 0), (30.0, 1), (5.0, 2), (0.1, 3)])
def test_what_a_return_is_worth_is_set_against_its_price(worth: float, place: int) -> None:
    assert best_value(worth)(CURVE) == place


def test_a_budget_alone_makes_calls_cheap() -> None:
    assert cheapest_call(CURVE) == 0.0


@given(rates=st.lists(st.floats(0, 1), min_size=2, max_size=9), share=st.floats(0, 1))
def test_the_place_of_a_rate_has_that_rate(rates: list[float], share: float) -> None:
    falling = np.minimum.accumulate(rates)
    wanted = float(falling[-1] + share * (falling[0] - falling[-1]))
    wanted = float(np.clip(wanted, falling[-1], falling[0]))
    place = call_rate(wanted)(replace(CURVE, rates=np.array(rates)))
    assert 0 <= place <= len(rates) - 1
    assert np.interp(place, np.arange(len(rates)), falling) == pytest.approx(wanted, abs=1e-6)


PRICES = "quick=0.1, deepthink=2"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"call_rate": 0.2}, "call_rate = 0.2"),
        ({"keep_return": 0.95}, "keep_return = 0.95"),
        ({"budget": 4}, "budget = 4"),
        ({"budget": 4, "call_rate": 0.1}, "call_rate = 0.1"),
        ({"price": PRICES}, "keep_return = 0.99"),
        ({"price": PRICES, "worth": 3.0}, f"price = {PRICES}, worth = 3"),
    ],
)
def test_what_is_asked_for_is_said(settings: dict[str, Any], wanted: str) -> None:
    assert make_target(TuneConfig(**settings))[1] == wanted


@pytest.fixture(scope="module")
def universal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune") / "universal"
    train(UNIVERSAL, folder, pair=toy())
    return folder


def tuned(folder: Path, **settings: Any) -> Any:
    return tune(UNIVERSAL, folder, TuneConfig(episodes=80, **settings), pair=toy())


def test_it_finds_a_call_rate(universal: Path) -> None:
    found = tuned(universal, call_rate=0.3)
    assert found.call_rate == pytest.approx(0.3, abs=0.08)
    assert 0.02 < found.cost < 0.8
    assert found.cost_interval[0] <= found.cost <= found.cost_interval[1]


def test_it_finds_what_keeps_the_return(universal: Path) -> None:
    found = tuned(universal, keep_return=0.95)
    assert found.return_mean > 0.85
    # DEEPTHINK calls everywhere; half of the states are enough.
    assert found.call_rate < 0.65


def test_it_stays_within_a_budget_and_counts_the_money(universal: Path) -> None:
    found = tuned(universal, budget=1, price="quick=1,deepthink=10", keep_return=0.1)
    assert found.calls <= 1.0
    assert found.budget == 1
    assert found.money > 0


def test_a_worth_needs_models_that_count_tokens(universal: Path) -> None:
    class Untold(Scripted):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            return [replace(reply, usage=Usage(1)) for reply in super().act(prompts)]

    pair = ModelPair(quick(), Untold("deepthink", ["easy", "hard", "the end"]), Corridor)
    config = TuneConfig(episodes=4, price="quick=1,deepthink=10", worth=1.0)
    with pytest.raises(InvalidConfig, match="price: expected models that count their tokens"):
        tune(UNIVERSAL, universal, config, pair=pair)


def test_what_was_found_is_where_the_switcher_is_operated(universal: Path) -> None:
    found = tuned(universal, keep_return=0.1, budget=2)
    saved = json.loads((universal / "checkpoint" / OPERATING).read_text())
    assert saved["cost"] == found.cost and saved["wanted"] == "keep_return = 0.1"
    there = load_operating_point(UNIVERSAL, universal)
    assert there == replace(UNIVERSAL, cost=found.cost, budget=2)


def test_what_is_nowhere_in_the_range_changes_nothing(universal: Path) -> None:
    tuned(universal, call_rate=0.3)
    before = (universal / "checkpoint" / OPERATING).read_text()
    with pytest.raises(InvalidConfig, match="call_rate: expected one that this Switcher has"):
        tuned(universal, call_rate=0.99)
    assert (universal / "checkpoint" / OPERATING).read_text() == before


def test_a_switcher_for_one_cost_cannot_be_tuned(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match=r"was trained for c = 0\.1 alone"):
        tune(TOY, tmp_path, TuneConfig(call_rate=0.2), pair=toy())
    assert load_operating_point(TrainConfig(), tmp_path) == TrainConfig()
