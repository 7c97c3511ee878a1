"""`londi frontier`: who is chosen, what is summed up, and that nothing is played twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from londi.config import FrontierConfig, TrainConfig
from londi.errors import InvalidConfig, LondiError, OutputExists, UnknownName
from londi.evaluation.curves import (
    Frontier,
    read_frontier,
    read_timelines,
)
from londi.evaluation.frontier import frontier, worthwhile
from londi.evaluation.metrics import Episode, apgr, iqm
from londi.evaluation.tracks import CurveSums, Track
from londi.learning.trainer import train
from playthings import TOY, UNIVERSAL, toy

RULES = ["random", "first-k", "every-k", "confidence", "stuck"]


def episode(total: float, calls: int, steps: int = 10) -> Episode:
    return Episode(0, total, total > 0, steps, calls, 0, 0.0, 0.0)


def test_the_middle_half_of_all_values() -> None:
    assert iqm(np.array([[9.0, 1.0], [2.0, 3.0]])) == 2.5
    # Of five values the middle half is the third, and three quarters of its neighbours.
    assert iqm(np.array([0.0, 1.0, 2.0, 4.0, 99.0])) == pytest.approx((0.75 + 2 + 0.75 * 4) / 2.5)
    assert iqm(np.array([7.0])) == 7.0


ENDS = [episode(0.0, 0)] * 2, [episode(1.0, 10)] * 2


def runs(points: Sequence[tuple[float, int]]) -> list[list[list[Episode]]]:
    return [[[episode(total, calls)] * 2] for total, calls in points]


def test_settings_are_kept_for_the_area_that_they_add() -> None:
    tried = runs([(0.1, 1), (0.8, 2), (0.3, 3), (0.9, 5), (0.85, 7), (0.95, 8)])
    assert worthwhile(tried, ENDS, 9) == [0, 1, 2, 3, 4, 5]
    assert worthwhile(tried, ENDS, 3) == [1, 3, 5]
    assert worthwhile(tried, ENDS, 1) == [1]


def test_one_by_one_is_as_good_as_all_ways_here() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = [(float(rng.random()), int(rng.integers(1, 10))) for _ in range(5)]
        kept = worthwhile(runs(points), ENDS, 4)

        def area(places: Sequence[int], points: list[tuple[float, int]] = points) -> float:
            return apgr([(points[k][1] / 10, points[k][0]) for k in places], 0.0, 1.0)

        assert area(kept) == pytest.approx(max(area(c) for c in combinations(range(5), 4)))


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


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    """Intervals are tested where they are made; here they only take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("londi.evaluation.metrics.RESAMPLES", 100)
        patch.setattr("londi.evaluation.tracks.RESAMPLES", 400)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two universal Switchers of the corridor."""
    folders = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("run") / str(seed)
        train(replace(UNIVERSAL, seed=seed, steps=3_000), folder, pair=toy())
        folders.append(str(folder))
    return folders


@pytest.fixture(scope="module")
def config(trained: list[str]) -> FrontierConfig:
    return FrontierConfig(
        runs=trained,
        methods=[*RULES, "episode-router", "step-router"],
        episodes=40,
        validation_episodes=40,
        points=4,
        budgets=[1, 2],
        log_steps=1000,
        states=0,
        num_envs=8,
    )


@pytest.fixture(scope="module")
def compared(
    config: FrontierConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Frontier]:
    folder = tmp_path_factory.mktemp("frontier") / "f"
    return folder, frontier(config, folder, pair=toy())


def test_the_learned_switcher_is_ahead_where_rules_are_blind(
    compared: tuple[Path, Frontier], config: FrontierConfig
) -> None:
    _, found = compared
    assert [curve.method for curve in found.curves] == ["londi", *config.methods]
    by_name = {curve.method: curve for curve in found.curves}
    assert by_name["londi"].ahead is None
    for blind in ("random", "first-k", "every-k"):
        ahead = by_name[blind].ahead
        assert ahead and ahead.low > 0, blind
        assert by_name[blind].apgr.value < by_name["londi"].apgr.value
    # In the corridor QUICK is unsure exactly where a call is worth its price.
    assert by_name["confidence"].apgr.value > 0.65
    assert by_name["londi"].apgr.value > 0.65


def test_curves_are_of_the_same_held_out_episodes(compared: tuple[Path, Frontier]) -> None:
    _, found = compared
    assert found.episodes == 40 and found.seeds == (0, 1)
    for curve in found.curves:
        assert 1 <= len(curve.points) <= 4
        rates = [p.result.call_rate for p in curve.points]
        assert rates == sorted(rates)
        assert [p.result.budget for p in curve.budgets] == [1, 2]
        assert all(p.result.overspent == 0 for p in curve.budgets)
        assert all(p.result.episodes == 40 for p in [*curve.points, *curve.budgets])
    costs = {p.result.cost for p in found.surface}
    assert {p.result.budget for p in found.surface} == {1, 2, None}
    assert len(found.surface) == 3 * len(costs)
    assert found.quick.call_rate == 0.0 and found.deepthink.call_rate == 1.0


def test_what_was_compared_lies_in_the_folder(compared: tuple[Path, Frontier]) -> None:
    folder, found = compared
    assert read_frontier(folder) == found


def test_it_goes_on_where_it_was(compared: tuple[Path, Frontier], config: FrontierConfig) -> None:
    folder, found = compared
    files = sorted((folder / "played").rglob("*.json"))
    before = {file: file.stat().st_mtime_ns for file in files}
    lost = files[:: max(1, len(files) // 3)]
    for file in lost:
        file.unlink()
    assert frontier(config, folder, resume=True, pair=toy()) == found
    for file in files:
        assert (file.stat().st_mtime_ns == before[file]) == (file not in lost)
    with pytest.raises(OutputExists, match="give another --out, or --overwrite"):
        frontier(config, folder, pair=toy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budgets": [1, 9]}, "budgets: expected at most the 3 that the Switchers were trained"),
        ({"runs": []}, "runs: expected folders of `londi train --universal`"),
        ({"budgets": [-1]}, r"budgets: expected whole numbers >= 0, got \[-1\]"),
        ({"episodes": 0}, "episodes: expected a whole number >= 1, got 0"),
        ({"methods": ["first"]}, "first-k"),
    ],
)
def test_bad_settings(
    config: FrontierConfig, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((InvalidConfig, UnknownName), match=message):
        frontier(replace(config, **changes), tmp_path / "f", pair=toy())  # type: ignore[arg-type]
    assert not (tmp_path / "f").exists()


def test_runs_that_do_not_belong_together(
    config: FrontierConfig, trained: list[str], tmp_path: Path
) -> None:
    def refused(runs: list[str], message: str) -> None:
        with pytest.raises(LondiError, match=message):
            frontier(replace(config, runs=runs), tmp_path / "f", pair=toy())
        assert not (tmp_path / "f").exists()

    def left(name: str, made: TrainConfig) -> str:
        train(made, tmp_path / name, pair=toy())
        return str(tmp_path / name)

    short = {"steps": 600, "warmup": 400, "checkpoint_every": 600}
    refused([left("fixed", replace(TOY, **short))], "was trained for c = 0.1 alone")  # type: ignore[arg-type]
    other = left("other", replace(UNIVERSAL, **short, seed=2))  # type: ignore[arg-type]
    refused([trained[0], other], "differ in their seed only, got steps = 3000")
    refused([trained[0], trained[0]], r"one run for each seed, got seeds \[0, 0\]")
    refused([str(tmp_path / "nowhere")], "no run in")


def test_episodes_are_told_as_they_were_played(
    compared: tuple[Path, Frontier], config: FrontierConfig
) -> None:
    told = read_timelines(compared[0])
    assert len({t.episode for t in told}) == config.timelines
    assert len({t.cost for t in told}) == 5
    for line in told:
        assert line.goal == "walk" and line.budget is None
        assert line.total == sum(m.reward for m in line.steps) == float(line.success)
        for moment in line.steps:
            hard = moment.text.startswith("hard")
            right = "left" if "left" in moment.text else "right"
            assert moment.deepthink == right
            assert (moment.quick == right) == (not hard)
            assert moment.done == (moment.deepthink if moment.choice else moment.quick)
            assert 0 <= moment.probability <= 1
    # At the least cost it expects to gain by a call where it is hard, and not where it is easy.
    cheap = min(t.cost for t in told)
    gains = {
        hard: [
            m.gain
            for t in told
            if t.cost == cheap
            for m in t.steps
            if m.text.startswith("hard") == hard
        ]
        for hard in (True, False)
    }
    assert np.mean(gains[True]) > 0.3 > np.mean(gains[False])
