"""Metrics against numbers worked out by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.evaluation.metrics import (
    apgr,
    apgr_routellm,
    bootstrap,
    bootstrap_difference,
    cpt,
    iqm,
    pgr,
)

NORMAL = 1.959964
"""Standard deviations from the middle of a normal distribution to the end of its 95%."""


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
