"""The figures of an evaluation, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.evaluation.metrics import (
    Episode,
    Result,
    apgr,
    apgr_routellm,
    bootstrap,
    bootstrap_difference,
    call_rate,
    cpt,
    iqm,
    pgr,
    result,
)
from londi.types import Step, Usage

NORMAL = 1.959964
"""Standard deviations from the middle of a normal distribution to the end of its 95%."""


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
    plain: dict[str, Any] = {"success": False, "overspent": 0, "lm_seconds": 0.0, "lm_flops": 0.0}
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
    assert Episode.of(steps) == Episode(
        seed=42,
        total=0.75,
        success=True,
        steps=4,
        calls=2,
        overspent=1,
        lm_seconds=7.0,
        lm_flops=2300.0,
        quick_tokens=150,
        deepthink_tokens=100,
    )


def test_an_episode_that_is_cut_off_ends_as_its_last_step_says() -> None:
    steps = [step(0, success=True), step(1, truncated=True)]
    assert Episode.of(steps) == episode(42, 0.0, steps=2)


# One method.


QUICK = [[episode(1, 0.0, 20), episode(2, 0.4, 10)]]
DEEPTHINK = [[episode(1, 1.0, 5, 5), episode(2, 0.6, 15, 15)]]


def test_the_figures_of_a_method() -> None:
    played = [
        [
            episode(1, 0.9, 8, 2, success=True, lm_seconds=1.0, lm_flops=10.0),
            episode(2, 0.3, 12, 3, lm_seconds=2.0, lm_flops=20.0, overspent=1),
        ],
        [
            episode(1, 0.7, 10, 1, success=True, lm_seconds=3.0, lm_flops=30.0),
            episode(2, 0.5, 20, 4, success=True, lm_seconds=6.0, lm_flops=40.0),
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


@pytest.mark.parametrize(
    ("value", "quick", "deepthink", "expected"),
    [
        (0.5, 0.25, 0.75, 0.5),
        (0.25, 0.25, 0.75, 0.0),
        (0.75, 0.25, 0.75, 1.0),
        (1.0, 0.25, 0.75, 1.5),
        (0.0, 0.25, 0.75, -0.5),
        # Where DEEPTHINK is the worse one the gap is crossed the other way.
        (0.25, 0.5, 0.0, 0.5),
        (0.5, 0.5, 0.5, None),
    ],
)
def test_the_performance_gap_recovered(
    value: float, quick: float, deepthink: float, expected: float | None
) -> None:
    assert pgr(value, quick, deepthink) == expected


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


# The interval.


@pytest.mark.parametrize("kind", ["even", "successes", "rare"])
@pytest.mark.parametrize("shape", [(1, 40), (3, 15), (3, 1), (1, 1)])
def test_the_interval_holds_the_mean_and_lies_within_the_values(
    shape: tuple[int, int], kind: str
) -> None:
    rng = np.random.default_rng(7)
    values = {
        "even": rng.random(shape),
        "successes": (rng.random(shape) < 0.6).astype(float),
        "rare": (rng.random(shape) < 0.05) * 10.0,
    }[kind]
    low, high = bootstrap(values)
    slack = 1e-12
    assert values.min() - slack <= low <= values.mean() + slack
    assert values.mean() - slack <= high <= values.max() + slack


@settings(max_examples=5, deadline=None)
@given(
    values=st.lists(st.floats(-1, 1), min_size=2, max_size=8),
    scale=st.sampled_from([0.5, 2.0]),
    shift=st.sampled_from([-1.0, 3.0]),
)
def test_another_unit_of_reward_changes_only_the_unit(
    values: list[float], scale: float, shift: float
) -> None:
    array = np.array([values])
    low, high = bootstrap(array)
    assert bootstrap(scale * array + shift) == pytest.approx(
        (scale * low + shift, scale * high + shift), abs=1e-9
    )


@pytest.mark.parametrize("n", [50, 400])
def test_one_run_agrees_with_the_normal_approximation(n: int) -> None:
    values = np.random.default_rng(n).normal(2.0, 1.5, (1, n))
    error = values.std() / sqrt(n)
    low, high = bootstrap(values)
    # 10,000 resamples place an end within 0.03 errors; the rest is the shape of the sample.
    assert low == pytest.approx(values.mean() - NORMAL * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + NORMAL * error, abs=0.15 * error)


def test_runs_and_episodes_each_add_their_own_variance() -> None:
    # The return is a run's part plus an episode's part, so the two draws add up:
    # var = var(run's part) / runs + var(episode's part) / episodes. Were all the numbers of
    # the table drawn from one bag, the interval would come out five times too narrow.
    rng = np.random.default_rng(3)
    run, layout = rng.normal(0, 1.0, (30, 1)), rng.normal(0, 1.0, (1, 25))
    values = run + layout
    error = sqrt(run.var() / 30 + layout.var() / 25)
    low, high = bootstrap(values)
    assert low == pytest.approx(values.mean() - NORMAL * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + NORMAL * error, abs=0.15 * error)


def test_runs_that_agree_are_as_good_as_one() -> None:
    one = np.random.default_rng(5).random((1, 60))
    low, high = bootstrap(one)
    again = bootstrap(np.repeat(one, 3, axis=0))
    assert again == pytest.approx((low, high), abs=0.1 * (high - low))


def test_four_times_the_episodes_halve_the_interval() -> None:
    values = np.random.default_rng(0).random((1, 100))
    low, high = bootstrap(values)
    more_low, more_high = bootstrap(np.tile(values, 4))
    assert (more_high - more_low) / (high - low) == pytest.approx(0.5, abs=0.05)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, (1, 200))
    error = values.std() / sqrt(200)
    low, high = bootstrap(values, level=0.5)
    # Half of a normal distribution lies within 0.674 standard deviations.
    assert high - low == pytest.approx(2 * 0.6745 * error, rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random((2, 30))
    before = values.copy()
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)
    np.testing.assert_array_equal(values, before)


def test_the_area_under_the_gap_recovered() -> None:
    """Without a point of its own a method is the straight line between the two models."""
    assert apgr([], 0.2, 0.8) == pytest.approx(0.5)
    # Half of the gap at a fifth of the calls, all of it at half of them.
    points = [(0.2, 0.5), (0.5, 0.8)]
    expected = 0.2 * 0.25 + 0.3 * 0.75 + 0.5 * 1.0
    assert apgr(points, 0.2, 0.8) == pytest.approx(expected)
    # A worse point at a higher rate takes nothing away: nobody has to call.
    assert apgr([*points, (0.7, 0.3)], 0.2, 0.8) == pytest.approx(expected)
    assert apgr(points[::-1], 0.2, 0.8) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no gap"):
        apgr(points, 0.5, 0.5)


def test_routellms_area_has_neither_hull_nor_ends() -> None:
    # Half of the gap at a fifth of the calls, all of it at half of them, a sixth at most of them.
    points = [(0.2, 0.5), (0.5, 0.8), (0.7, 0.3)]
    expected = 0.3 * (1 / 2 + 1) / 2 + 0.2 * (1 + 1 / 6) / 2
    assert apgr_routellm(points, 0.2, 0.8) == pytest.approx(expected)
    assert apgr_routellm(points[::-1], 0.2, 0.8) == pytest.approx(expected)
    # Of a curve that has both ends and does not fall, it is the same as ours.
    whole = [(0.0, 0.2), (0.3, 0.6), (1.0, 0.8)]
    assert apgr_routellm(whole, 0.2, 0.8) == pytest.approx(apgr(whole, 0.2, 0.8))
    with pytest.raises(ValueError, match="no gap"):
        apgr_routellm(points, 0.5, 0.5)


def test_the_call_rate_at_which_a_share_of_the_gap_is_recovered() -> None:
    points = [(0.2, 0.5), (0.5, 0.8)]
    assert cpt(0.5, points, 0.2, 0.8) == pytest.approx(0.2)
    assert cpt(0.75, points, 0.2, 0.8) == pytest.approx(0.35)
    assert cpt(1.0, points, 0.2, 0.8) == pytest.approx(0.5)
    assert cpt(0.0, points, 0.2, 0.8) == 0.0


def test_the_middle_half_of_all_values() -> None:
    assert iqm(np.array([[9.0, 1.0], [2.0, 3.0]])) == 2.5
    # Of five values the middle half is the third, and three quarters of its neighbours.
    assert iqm(np.array([0.0, 1.0, 2.0, 4.0, 99.0])) == pytest.approx((0.75 + 2 + 0.75 * 4) / 2.5)
    assert iqm(np.array([7.0])) == 7.0


# The difference of two sides.


def test_a_difference_of_single_runs_is_one_of_paired_episodes() -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(0.0, 5.0, 300)  # how hard an episode is, for both sides
    one, other = (np.array([hard + rng.normal(m, 0.5, 300)]) for m in (0.3, 0.0))
    paired = (one - other)[0]
    error = paired.std() / sqrt(300)
    low, high = bootstrap_difference(one, other)
    assert low == pytest.approx(paired.mean() - NORMAL * error, abs=0.15 * error)
    assert high == pytest.approx(paired.mean() + NORMAL * error, abs=0.15 * error)


def test_runs_of_either_side_are_drawn_by_themselves() -> None:
    spread, even = np.array([[0.0] * 4, [1.0] * 4]), np.array([[0.5] * 4])
    assert bootstrap_difference(spread, even) == (-0.5, 0.5)
    assert bootstrap_difference(even, spread) == (-0.5, 0.5)
    # Were the runs paired, a side would never differ from itself.
    assert bootstrap_difference(spread, spread) == (-1.0, 1.0)
    with pytest.raises(ValueError, match="the same episodes"):
        bootstrap_difference(spread, spread[:, :3])
