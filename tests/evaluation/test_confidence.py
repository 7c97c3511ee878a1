"""Confidence sequences: against numbers worked out by hand, and in simulated months."""

from __future__ import annotations

from math import exp, inf, isnan, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.evaluation.confidence import (
    LEAST,
    TIGHTEST,
    Interval,
    Sample,
    margin,
    mean_difference,
    saving,
)


def test_the_margin_is_that_of_the_paper() -> None:
    # At the size where it is tightest n rho^2 = -2 log 0.05 + log(-2 log 0.05) + 1 = 8.7817.
    assert margin(TIGHTEST) == pytest.approx(
        sqrt(2 * (1 + 1 / 8.7817) * log(sqrt(9.7817) / 0.05)), rel=1e-5
    )
    assert margin(TIGHTEST) == pytest.approx(3.0355, abs=1e-3)
    assert margin(100) > margin(TIGHTEST) < margin(100_000)
    assert margin(TIGHTEST, 0.01) > margin(TIGHTEST)


def test_intervals_by_hand() -> None:
    # 100 sessions of 1 and 3 against 100 of 3 and 5: variance 100 / 99 in both arms. The effective
    # size is 50: 50 * 8.7817 / 1000 = 0.43908, and the margin is
    # sqrt(2 * (1 + 1 / 0.43908) * log(sqrt(1.43908) / 0.05)) = 4.5640 standard errors.
    treated, control = (Sample.of(np.array([low, low + 2.0] * 50)) for low in (1.0, 3.0))
    assert treated.variance == control.variance == pytest.approx(100 / 99)
    half = 4.5640 * sqrt(100 / 99 / 50)
    found = mean_difference(treated, control)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (-2.0, -2 - half, -2 + half), abs=2e-4
    )
    # Relative to their squares 0.2525 and 0.0631: the larger one counts.
    half = 4.5640 * sqrt(100 / 99 / 4 / 50)
    found = saving(treated, control)
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (0.5, 1 - 0.5 * exp(half), 1 - 0.5 * exp(-half)), abs=2e-4
    )


def test_both_arms_take_the_larger_variance() -> None:
    rng = np.random.default_rng(0)
    one, other = Sample.of(rng.lognormal(0, 1.5, 80)), Sample.of(rng.lognormal(0, 0.2, 500))
    there, back = saving(one, other), saving(other, one)
    assert (1 - there.low) * (1 - back.high) == pytest.approx(1.0)
    there, back = mean_difference(one, other), mean_difference(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    # A control group that has not seen a failure yet is no certainty.
    perfect, nearly = Sample.of(np.ones(60)), Sample.of(np.arange(2000) >= 100)
    assert mean_difference(nearly, perfect).high > 0


def test_few_sessions_have_no_interval() -> None:
    many, few = (Sample.of(np.arange(1.0, 1.0 + n)) for n in (LEAST, LEAST - 1))
    for one, other in ((many, few), (few, many), (Sample(), many), (many, Sample())):
        assert mean_difference(one, other).low == saving(one, other).low == -inf
        assert saving(one, other).high == 1.0
    assert isnan(saving(Sample(), many).estimate)
    assert saving(many, many).low > -inf


def test_what_never_varies_has_no_interval() -> None:
    ones = Sample.of(np.ones(1000))
    assert mean_difference(ones, ones) == Interval(0.0)
    assert saving(ones, ones) == Interval(0.0, high=1.0)
    free = Sample.of(np.zeros(1000))
    assert saving(free, ones).estimate == 1.0 and isnan(saving(ones, free).estimate)


values = st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from([0.5, 1.0, 20.0])), min_size=2)


@given(values)
def test_a_running_sample_is_that_of_its_values(pairs: list[tuple[float, float]]) -> None:
    sample = Sample()
    for value, weight in pairs:
        sample.add(value, weight)
    given_values, weights = map(np.array, zip(*pairs, strict=True))
    mean = np.average(given_values, weights=weights)
    size = weights.sum() ** 2 / (weights**2).sum()
    spread = np.average((given_values - mean) ** 2, weights=weights) * size / (size - 1)
    assert sample.count == len(pairs) and sample.size == pytest.approx(size)
    assert sample.mean == pytest.approx(mean, abs=1e-6)
    assert sample.variance == pytest.approx(spread, rel=1e-6, abs=1e-6)
    at_once = Sample()
    for weight in set(weights):
        at_once.extend(given_values[weights == weight], weight)
    assert at_once.variance == pytest.approx(spread, rel=1e-6, abs=1e-6)


def test_weights_undo_a_share_that_changed() -> None:
    # Costs of both arms are equal, and double when the share of control sessions falls to a tenth.
    treated, control = Sample(), Sample()
    for cost, share in ((1.0, 0.5), (2.0, 0.1)):
        treated.extend(np.full(round(10_000 * (1 - share)), cost), 1 / (1 - share))
        control.extend(np.full(round(10_000 * share), cost), 1 / share)
    assert treated.mean == pytest.approx(1.5) and control.mean == pytest.approx(1.5)
    assert 0.0 in saving(treated, control)


def test_a_month_is_covered_at_all_looks() -> None:
    # Costs are lognormal, a tenth of the sessions is in the control group, and the saving is 40%.
    missed = naive = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        treated, control = Sample(), Sample()
        wrong = naively = False
        for _ in range(30):
            treated.extend(0.6 * rng.lognormal(0.0, 1.0, 180))
            control.extend(rng.lognormal(0.0, 1.0, 20))
            found = saving(treated, control)
            wrong |= 0.4 not in found
            spread = sum(a.variance / a.mean**2 / a.size for a in (treated, control))
            half = 1.96 * (1 - found.estimate) * sqrt(spread)
            naively |= abs(found.estimate - 0.4) > half
        missed, naive = missed + wrong, naive + naively
        assert found.high - found.low < 0.35, "it says something"
    assert missed <= 5
    assert naive >= 20, "an interval for one look misses in many months"
