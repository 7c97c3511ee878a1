"""`londi frontier`: who is chosen, what is summed up, and that nothing is played twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from evaluation.episodes import ENDS, episode
from londi.config import FrontierConfig
from londi.errors import InvalidConfig, OutputExists, UnknownName
from londi.evaluation.curves import (
    Frontier,
    read_frontier,
    read_timelines,
)
from londi.evaluation.frontier import frontier, worthwhile
from londi.evaluation.metrics import apgr
from londi.evaluation.results import Episode
from londi.learning.trainer import train
from playthings import UNIVERSAL, toy
from switchyards import stand_in

RULES = ["random", "first-k", "every-k", "confidence", "stuck"]


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
def config(trained: list[str], tmp_path_factory: pytest.TempPathFactory) -> FrontierConfig:
    return FrontierConfig(
        runs=trained,
        methods=[*RULES, "episode-router", "single-switch", "step-router", "stage-router"],
        switchyard=stand_in(tmp_path_factory.mktemp("switchyard")),
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
    # The stand-in for Switchyard reads the text, and calls exactly where it is hard.
    assert by_name["stage-router"].apgr.value > 0.65
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


def without_seconds(value: object) -> object:
    """What does not differ from one play to the next."""
    if isinstance(value, dict):
        return {key: without_seconds(v) for key, v in value.items() if key != "seconds"}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def test_it_goes_on_where_it_was(compared: tuple[Path, Frontier], config: FrontierConfig) -> None:
    folder, found = compared
    files = sorted((folder / "played").rglob("*.json"))
    before = {file: file.stat().st_mtime_ns for file in files}
    lost = files[:: max(1, len(files) // 3)]
    for file in lost:
        file.unlink()
    again = frontier(config, folder, resume=True, pair=toy())
    assert without_seconds(asdict(again)) == without_seconds(asdict(found))
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
        ({"switchyard": "no-such-python"}, "got 'no-such-python' .* run: .*nemo-switchyard"),
    ],
)
def test_bad_settings(
    config: FrontierConfig, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((InvalidConfig, UnknownName), match=message):
        frontier(replace(config, **changes), tmp_path / "f", pair=toy())  # type: ignore[arg-type]
    assert not (tmp_path / "f").exists()


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
