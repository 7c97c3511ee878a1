"""Curves as arrays, and what sums them up, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.episodes import ENDS, episode
from londi.evaluation.tracks import CurveSummary, CurveSums, Track, numbers


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to place the ends of an interval here."""
    monkeypatch.setattr("londi.evaluation.tracks.RESAMPLES", 400)


# Two settings, two seeds, three episodes.
PLAYED = [
    [
        [episode(0.1, 1), episode(0.2, 2), episode(0.3, 3)],
        [episode(0.4, 4), episode(0.5, 5), episode(0.6, 6)],
    ],
    [
        [episode(0.7, 7, 20), episode(0.8, 8, 20), episode(0.9, 9, 20)],
        [episode(1.0, 10, 30), episode(1.1, 11, 30), episode(1.2, 12, 30)],
    ],
]


def test_a_number_of_every_episode_by_setting_seed_and_episode() -> None:
    track = Track.of(PLAYED)
    assert track.totals.shape == track.calls.shape == track.steps.shape == (2, 2, 3)
    assert track.totals[1].tolist() == [[0.7, 0.8, 0.9], [1.0, 1.1, 1.2]]
    assert track.calls[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert track.steps[:, 1, 2].tolist() == [10, 30]
    assert track.seeds == 2
    assert numbers(PLAYED, "success").all()


def test_means_are_over_the_seeds_and_episodes_that_were_drawn() -> None:
    track = Track.of(PLAYED)
    returns, calls, steps = track.means(np.arange(2), np.arange(3))
    assert returns.tolist() == pytest.approx([0.35, 0.95])
    assert calls.tolist() == pytest.approx([3.5, 9.5])
    assert steps.tolist() == pytest.approx([10.0, 25.0])
    # The second seed alone; the first episode twice, and the last one once.
    returns, calls, _ = track.means(np.array([1, 1]), np.array([0, 0, 2]))
    assert returns.tolist() == pytest.approx([(0.4 + 0.4 + 0.6) / 3, (1.0 + 1.0 + 1.2) / 3])
    assert calls.tolist() == pytest.approx([14 / 3, 32 / 3])


def test_a_summary_is_of_the_episodes_that_were_drawn() -> None:
    """Calls count per step for the area, and per call of DEEPTHINK alone for what is saved."""
    ends = (
        Track.of([[[episode(0.0, 0), episode(0.2, 0)]]]),
        Track.of([[[episode(1.0, 10), episode(0.8, 30, 30)]]]),
    )
    track = Track.of([[[episode(1.0, 5, 20), episode(0.8, 10, 20)]]])
    first = CurveSummary.of(track, np.array([0]), np.array([0]), ends)
    # At a quarter of the steps everything is won: a triangle up to there, then all of it.
    assert first.apgr == pytest.approx(0.25 / 2 + 0.75)
    # Five calls where DEEPTHINK alone makes ten.
    assert first.saved == pytest.approx(0.5)
    both = CurveSummary.of(track, np.array([0]), np.array([0, 1]), ends)
    assert both.apgr == pytest.approx(0.375 / 2 + 0.625)
    assert both.saved == pytest.approx(1 - 15 / 40)


def test_a_curve_is_summed_up_by_hand() -> None:
    """One method is at 0.8 for a fifth of the calls, the other on the line."""
    good, line = (
        Track.of([[[episode(0.8, 2), episode(0.8, 2)]]]),
        Track.of([[[episode(0.5, 5), episode(0.5, 5)]]]),
    )
    limit = Track.of([[[episode(1.0, 2), episode(1.0, 2)]]])
    sums = CurveSums([good, line], limit, ENDS)
    # Trapezoids: up to 0.8 over 0.2, then up to 1 over 0.8.
    assert sums.apgr(0).value == pytest.approx(0.08 + 0.72)
    assert sums.apgr(1).value == pytest.approx(0.5)
    assert sums.limit_apgr == pytest.approx(0.1 + 0.8)
    share = sums.of_limit(0)
    assert share and share.value == pytest.approx(0.8 / 0.9)
    assert sums.ahead(1).value == pytest.approx(0.3)
    assert sums.saved(0).value == pytest.approx(0.0)
    # All episodes are alike, so that no sample differs.
    assert (sums.apgr(0).low, sums.apgr(0).high) == pytest.approx((0.8, 0.8))
    better = CurveSums([Track.of([[[episode(1.1, 4), episode(1.1, 4)]]])], None, ENDS)
    assert better.saved(0).value == pytest.approx(1 - 0.4 / 1.1)
    assert better.of_limit(0) is None and better.limit_apgr is None


def test_intervals_are_over_seeds_and_episodes() -> None:
    rng = np.random.default_rng(0)
    ends = [episode(0.0, 0)] * 50, [episode(1.0, 10)] * 50
    noisy = [[[episode(float(rng.random() < 0.5 + s / 8), 3) for _ in range(50)] for s in range(3)]]
    sums = CurveSums([Track.of(noisy)], None, ends)
    found = sums.apgr(0)
    assert found.low < found.value < found.high
    assert 0.05 < found.high - found.low < 0.5


def test_curves_are_compared_on_the_same_samples() -> None:
    """A curve is never ahead of itself, whichever episodes are drawn."""
    rng = np.random.default_rng(0)
    ends = [episode(0.0, 0)] * 30, [episode(1.0, 10)] * 30
    noisy = Track.of([[[episode(float(rng.random()), 3) for _ in range(30)]]])
    sums = CurveSums([noisy, noisy], noisy, ends)
    assert sums.apgr(0).low < sums.apgr(0).high
    for found, value in ((sums.ahead(1), 0.0), (sums.of_limit(0), 1.0)):
        assert found and (found.low, found.value, found.high) == pytest.approx((value,) * 3)


def test_samples_without_a_gap_are_left_out() -> None:
    """In one of the two episodes both models fail: drawn twice, it says nothing."""
    ends = [episode(0.0, 0)] * 2, [episode(1.0, 10), episode(0.0, 10)]
    sums = CurveSums([Track.of([[[episode(1.0, 5), episode(0.0, 5)]]])], None, ends)
    found = sums.apgr(0)
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.75, 0.75))


def test_an_interval_is_as_wide_as_the_samples_are() -> None:
    ends = [episode(0.0, 0)] * 3, [episode(1.0, 10)] * 3
    one_of_three = [[[episode(1.0, 0), episode(0.0, 0), episode(0.0, 0)]]]
    found = CurveSums([Track.of(one_of_three)], None, ends).apgr(0)
    # At no call at all a third of the gap: 1/3 at the left, everything at the right.
    assert found.value == pytest.approx((1 / 3 + 1) / 2)
    # None of the gap in 8 of 27 samples, and two thirds of it or more in 7 of 27.
    assert found.low == pytest.approx(0.5)
    assert found.high >= (2 / 3 + 1) / 2


def test_seeds_are_drawn_as_well() -> None:
    """Of two seeds one wins all of the gap without a call and the other one nothing."""
    ends = [episode(0.0, 0)], [episode(1.0, 10)]
    found = CurveSums([Track.of([[[episode(1.0, 0)], [episode(0.0, 0)]]])], None, ends).apgr(0)
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.75, 1.0))


def test_an_interval_holds_ninety_five_of_a_hundred_samples() -> None:
    ends = [episode(0.0, 0)] * 100, [episode(1.0, 10)] * 100
    # Half of the episodes are won without a call, so that the area is half of that and a half.
    half = [[[episode(float(k % 2), 0) for k in range(100)]]]
    found = CurveSums([Track.of(half)], None, ends).apgr(0)
    assert found.value == pytest.approx(0.75)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 * 0.5 / 10, rel=0.2)
