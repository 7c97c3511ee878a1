"""The records of an evaluation, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from londi.config.kinds import fitted
from londi.config.prices import Price, Prices
from londi.evaluation.results import Episode, Result, call_rate, former_episode, result
from londi.types import Step, Usage


def step(t: int, **values: Any) -> Step:
    plain: dict[str, Any] = {
        "episode": 42,
        "t": t,
        "choice": 0,
        "action": "go forward",
        "quick_action": None,
        "deepthink_action": None,
        "reward": 0.0,
        "terminated": False,
        "truncated": False,
        "success": False,
        "remaining": 2.0,
        "overspent": False,
        "quick": Usage(),
        "deepthink": Usage(),
    }
    return Step(**plain | values)


def episode(seed: int, total: float, steps: int = 10, calls: int = 0, **values: Any) -> Episode:
    plain: dict[str, Any] = {"success": False, "overspent": 0}
    return Episode(seed=seed, total=total, steps=steps, calls=calls, **plain | values)


def figures(played: Any, quick: Any, deepthink: Any, **values: Any) -> Result:
    plain: dict[str, Any] = {"env": "londi/X-v0", "cost": 0.1, "budget": None, "seed": (0,)}
    return result("londi", played, quick, deepthink, **plain | values)


# One episode.


def test_an_episode_in_numbers() -> None:
    steps = [
        step(0, quick=Usage(1, 50, 0.5, 100.0), reward=-0.25),
        # QUICK was asked for what the Switcher sees, and DEEPTHINK acted: both are paid.
        step(1, choice=1, quick=Usage(1, 50, 0.25, 100.0), deepthink=Usage(1, 50, 2.0, 1000.0)),
        step(2, choice=1, deepthink=Usage(1, 50, 4.0, 1000.0), overspent=True),
        step(3, quick=Usage(1, 50, 0.25, 100.0), reward=1.0, terminated=True, success=True),
    ]
    found = Episode.of(steps, 9.5)
    assert found == Episode(
        seed=42,
        total=0.75,
        success=True,
        steps=4,
        calls=2,
        overspent=1,
        quick=Usage(3, 150, 1.0, 300.0),
        deepthink=Usage(2, 100, 6.0, 2000.0),
        seconds=9.5,
    )
    assert found.usage == Usage(5, 250, 7.0, 2300.0)


def test_an_episode_that_is_cut_off_ends_as_its_last_step_says() -> None:
    steps = [step(0, success=True), step(1, truncated=True)]
    assert Episode.of(steps) == episode(42, 0.0, steps=2)


# One method.


QUICK = [[episode(1, 0.0, 20), episode(2, 0.4, 10)]]
DEEPTHINK = [[episode(1, 1.0, 5, 5), episode(2, 0.6, 15, 15)]]


def test_the_figures_of_a_method() -> None:
    played = [
        [
            episode(1, 0.9, 8, 2, success=True, quick=Usage(seconds=1.0, flops=10.0)),
            episode(2, 0.3, 12, 3, quick=Usage(seconds=2.0, flops=20.0), overspent=1),
        ],
        [
            episode(1, 0.7, 10, 1, success=True, quick=Usage(seconds=3.0, flops=30.0)),
            episode(2, 0.5, 20, 4, success=True, quick=Usage(seconds=6.0, flops=40.0)),
        ],
    ]
    made = figures(played, QUICK, DEEPTHINK, cost=0.05, budget=4, seed=(3, 5))
    assert (made.method, made.env, made.cost, made.budget) == ("londi", "londi/X-v0", 0.05, 4)
    assert made.seed == (3, 5) and made.episodes == 2
    assert made.return_mean == pytest.approx(0.6)  # (0.9 + 0.3 + 0.7 + 0.5) / 4
    assert made.success_rate == 0.75
    assert made.call_rate == pytest.approx(10 / 50)  # over all steps, not the mean of four rates
    assert made.overspent == 0.25
    assert made.lm_seconds == pytest.approx(3.0)
    assert made.lm_flops == pytest.approx(25.0)
    # 2.5 calls an episode where always-DEEPTHINK makes 10.
    assert made.cost_saved == pytest.approx(0.75)
    # QUICK has 0.2, DEEPTHINK 0.8.
    assert made.pgr == pytest.approx((0.6 - 0.2) / (0.8 - 0.2))
    low, high = made.return_ci
    assert 0.3 <= low < 0.6 < high <= 0.9


def test_quick_and_deepthink_are_the_ends_of_the_scale() -> None:
    quick = figures(QUICK, QUICK, DEEPTHINK)
    assert (quick.call_rate, quick.cost_saved, quick.pgr) == (0.0, 1.0, 0.0)
    deepthink = figures(DEEPTHINK, QUICK, DEEPTHINK)
    assert (deepthink.call_rate, deepthink.cost_saved, deepthink.pgr) == (1.0, 0.0, 1.0)


def test_more_calls_than_deepthinks_own_save_less_than_nothing() -> None:
    wanders = [[episode(1, 0.2, 50, 30), episode(2, 0.2, 50, 10)]]
    assert figures(wanders, QUICK, DEEPTHINK).cost_saved == pytest.approx(1 - 40 / 20)


def test_the_call_rate_weighs_steps_and_not_episodes() -> None:
    assert call_rate([[episode(1, 0.0, 90, 0), episode(2, 0.0, 10, 10)]]) == pytest.approx(0.1)
    assert call_rate([[episode(1, 0.0, 30, 3)], [episode(1, 0.0, 10, 7)]]) == pytest.approx(0.25)


def test_without_a_gap_nothing_is_recovered() -> None:
    level = [[replace(e, total=0.5) for e in DEEPTHINK[0]]]
    quick = [[replace(e, total=0.5) for e in QUICK[0]]]
    assert figures(level, quick, level).pgr is None


def test_methods_that_played_other_episodes_are_not_compared() -> None:
    other = [[episode(1, 0.0, 20), episode(3, 0.4, 10)]]
    swapped = [QUICK[0][::-1]]
    for wrong in (other, swapped, [QUICK[0][:1]]):
        for trio in (
            (wrong, QUICK, DEEPTHINK),
            (QUICK, wrong, DEEPTHINK),
            (QUICK, QUICK, wrong),
            (QUICK, wrong, wrong),
        ):
            with pytest.raises(ValueError, match="every method must play the same episodes"):
                figures(*trio)


def test_training_seeds_that_played_other_episodes_are_not_averaged() -> None:
    played = [QUICK[0], [episode(1, 0.0), episode(3, 0.0)]]
    with pytest.raises(ValueError, match="every training seed must play the same episodes"):
        figures(played, QUICK, DEEPTHINK)


# The account.

WORK = Usage(calls=2, tokens=100, seconds=3.0, flops=50.0, cpu_seconds=1.5, output_tokens=10)
PRICES = Prices(Price(1.0, 10.0), Price(20.0, 100.0), "mine", "EUR")


def test_the_account_of_a_method() -> None:
    """Two episodes; one fails. QUICK answers everywhere, DEEPTHINK in the second one."""
    played = [
        [
            episode(1, 1.0, success=True, quick=WORK, seconds=4.0),
            episode(2, 0.0, quick=WORK, deepthink=WORK, seconds=8.0),
        ]
    ]
    deepthink = [
        [
            episode(1, 1.0, calls=5, success=True, deepthink=WORK),
            episode(2, 0.6, calls=5, success=True, deepthink=WORK + WORK),
        ]
    ]
    made = figures(played, QUICK, deepthink, prices=PRICES)
    assert made.lm_cpu_seconds == pytest.approx(3 * 1.5 / 2)
    assert made.lm_seconds == pytest.approx(3 * 3.0 / 2)
    assert made.seconds == pytest.approx(6.0)
    # A million: QUICK (100 x 1 + 10 x 10), DEEPTHINK (100 x 20 + 10 x 100).
    assert made.money == pytest.approx((2 * 200 + 3000) / 2 / 1e6)
    assert made.money_saved == pytest.approx(1 - 1700 / 4500)
    assert (made.currency, made.prices) == ("EUR", "mine")
    # By default a failure costs what an episode of DEEPTHINK alone does.
    assert made.bill == pytest.approx((1700 + 0.5 * 4500) / 1e6)
    dear = figures(played, QUICK, deepthink, prices=replace(PRICES, failure=2.0))
    assert dear.bill == pytest.approx(1700 / 1e6 + 0.5 * 2.0)
    free = figures(played, QUICK, deepthink, prices=replace(PRICES, failure=0.0))
    assert free.bill == free.money


def test_a_failure_that_was_cheap_is_a_loss() -> None:
    """A method that never calls and always fails saves money, and its bill is above DEEPTHINK's."""
    lazy = [[episode(1, 0.0, quick=WORK), episode(2, 0.0, quick=WORK)]]
    deepthink = [[episode(seed, 1.0, calls=5, success=True, deepthink=WORK) for seed in (1, 2)]]
    made, always = (figures(p, QUICK, deepthink, prices=PRICES) for p in (lazy, deepthink))
    assert made.money_saved and made.money_saved > 0.9
    assert always.bill == always.money and made.bill and always.bill
    assert made.bill > always.bill


def test_without_prices_there_is_no_money() -> None:
    made = figures(QUICK, QUICK, DEEPTHINK)
    assert made.money is made.money_saved is made.bill is made.currency is made.prices is None


def test_nothing_is_saved_against_what_costs_nothing() -> None:
    free = Prices(Price(1.0), Price(0.0))
    made = figures([[replace(e, quick=WORK) for e in QUICK[0]]], QUICK, DEEPTHINK, prices=free)
    assert made.money and made.money_saved is None


def test_rows_of_release_0_1_are_read() -> None:
    row = {"seed": 1, "total": 0.5, "lm_seconds": 0.25, "lm_flops": 7.0, "joules": 1.0}
    row |= {"quick_tokens": 3, "deepthink_tokens": 4, "mapped": 2}
    assert former_episode(row) == {
        "seed": 1,
        "total": 0.5,
        "substituted_actions": 2,
        "quick": {"tokens": 3},
        "deepthink": {"tokens": 4, "seconds": 0.25, "flops": 7.0, "joules": 1.0},
    }
    now = asdict(episode(1, 0.5, quick=WORK))
    assert former_episode(now) == now
    assert former_episode({"lm_seconds": 1.0}) == {"lm_seconds": 1.0}  # a result


def test_what_release_0_1_did_not_measure_is_not_known() -> None:
    row = {"seed": 1, "total": 0.5, "success": True, "steps": 3, "calls": 1, "overspent": 0}
    row |= {"lm_seconds": 0.25, "lm_flops": 7.0, "quick_tokens": 30, "deepthink_tokens": 40}
    former: Episode = fitted(former_episode(row), Episode)
    new = episode(1, 0.5, calls=1, quick=WORK, seconds=1.0)
    made = figures([[former]], [[new]], [[new]], prices=PRICES)
    assert (made.lm_seconds, made.lm_flops) == (0.25, 7.0)
    assert made.lm_cpu_seconds is made.seconds is made.money is made.bill is None
    # One such episode is enough.
    both = figures([[former], [new]], [[new]] * 2, [[new]] * 2, prices=PRICES)
    assert both.seconds is both.money is None
