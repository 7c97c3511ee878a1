"""Playing the same episodes with every method, on a corridor whose right answers are known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi import Budget, EvaluateConfig, TrainConfig
from londi.errors import InvalidConfig
from londi.evaluation.evaluate import (
    METHODS,
    Evaluation,
    calibrate,
    play_methods,
    read_results,
    results,
    write_results,
    write_steps,
)
from londi.evaluation.play import play, summary
from londi.evaluation.results import call_rate
from londi.models.pair import ModelPair
from londi.switching.switcher import ConstantSwitcher, Switcher, ThresholdSwitcher
from playthings import LENGTH, Corridor, deepthink, quick

TRAINING = TrainConfig(env="the corridor", cost=0.1, cache="none")


def toy() -> ModelPair:
    return ModelPair(quick(), deepthink(), Corridor)


def played(switcher: Switcher, episodes: range, budget: Budget, num_envs: int = 4, seed: int = 0):  # type: ignore[no-untyped-def]
    return play(toy(), switcher, episodes, cost=0.1, budget=budget, num_envs=num_envs, seed=seed)


def test_every_episode_is_played_once_in_order() -> None:
    episodes = played(ConstantSwitcher(0.5), range(30, 41), Budget())
    assert [steps[0].step.episode for steps in episodes] == list(range(30, 41))
    for steps in episodes:
        assert [record.step.t for record in steps] == list(range(len(steps)))
        assert [record.step.ended for record in steps] == [False] * (len(steps) - 1) + [True]


@pytest.mark.parametrize("switcher", [ConstantSwitcher(1.0), ThresholdSwitcher(0.8)])
def test_how_many_play_side_by_side_changes_nothing(switcher: Switcher) -> None:
    one, many = (played(switcher, range(9), Budget(3), num_envs=n) for n in (1, 7))
    assert [[record.step for record in steps] for steps in one] == [
        [record.step for record in steps] for steps in many
    ]


def test_the_chance_of_each_choice_is_kept() -> None:
    for steps in played(ConstantSwitcher(0.25), range(20), Budget(1)):
        for record in steps:
            expected = 0.25 if record.step.choice else 0.75
            if record.step.remaining == 0:
                expected = 1.0  # nothing else was possible
            assert record.propensity == expected


def test_a_budget_holds_for_every_switcher() -> None:
    for n in range(3):
        for steps in played(ConstantSwitcher(1.0), range(10), Budget(n)):
            assert sum(record.step.choice for record in steps) <= n


@given(aim=st.floats(0.06, 0.98))
def test_a_threshold_is_found_for_any_call_rate(aim: float) -> None:
    # The share of confidences below a threshold, for confidences spread evenly over [0, 1].
    found = calibrate(lambda threshold: threshold, aim)
    assert found == pytest.approx(aim, abs=0.02)


def test_where_no_threshold_is_right_the_nearest_is_taken() -> None:
    assert calibrate(lambda threshold: float(threshold > 0.7), 0.1) <= 0.7
    assert calibrate(lambda threshold: float(threshold > 0.7), 0.9) > 0.7


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    config = EvaluateConfig(episodes=40, validation_episodes=20)
    # What a Switcher that has learned everything would do.
    return play_methods(TRAINING, ThresholdSwitcher(0.8), config, toy())


def test_all_methods_play_the_same_held_out_episodes(evaluation: Evaluation) -> None:
    assert tuple(evaluation.played) == METHODS
    seeds = {
        tuple(steps[0].step.episode for steps in episodes)
        for episodes in evaluation.played.values()
    }
    assert seeds == {tuple(range(900_000_000, 900_000_040))}


def test_the_figures_are_those_of_the_corridor(evaluation: Evaluation) -> None:
    by_method = {r.method: r for r in results([evaluation])}
    assert by_method["quick"].call_rate == 0 == by_method["quick"].pgr
    assert by_method["deepthink"].call_rate == 1 == by_method["deepthink"].pgr
    assert by_method["deepthink"].return_mean == 1
    assert by_method["londi"].return_mean == 1
    # Each of LENGTH states is hard half of the time, and an easy corridor is rare.
    assert by_method["quick"].success_rate == pytest.approx(0.5**LENGTH, abs=0.1)
    assert by_method["londi"].cost_saved == pytest.approx(0.5, abs=0.1)
    assert by_method["random"].call_rate == pytest.approx(by_method["londi"].call_rate, abs=0.1)
    # QUICK is asked at each step, DEEPTHINK where it acts: 10 and 1000 operations a call.
    assert by_method["londi"].lm_flops == pytest.approx(
        LENGTH * (10 + 1000 * by_method["londi"].call_rate)
    )


def test_the_account_of_an_evaluation(evaluation: Evaluation) -> None:
    by_method = {r.method: r for r in results([evaluation])}
    londi, deepthink = by_method["londi"], by_method["deepthink"]
    assert deepthink.calls == LENGTH
    assert londi.calls == pytest.approx(LENGTH * londi.call_rate)
    for found in by_method.values():
        # End to end there is more than the models, which are charged a millisecond a call.
        assert found.seconds and found.lm_seconds < found.seconds < found.lm_seconds + 1.0
    assert londi.money is None, "models of one's own have no prices"


def test_prices_that_are_given_are_applied() -> None:
    config = EvaluateConfig(
        episodes=6, validation_episodes=5, price="quick=1,deepthink=10", failure_price=0.5
    )
    found = play_methods(TRAINING, ThresholdSwitcher(0.8), config, toy())
    for made in results([found]):
        played = [e for run in [summary(found.played[made.method])] for e in run]
        tokens = [(e.quick.tokens, e.deepthink.tokens) for e in played]
        assert made.money == pytest.approx(sum(q + 10 * d for q, d in tokens) / 6e6)
        assert made.bill == pytest.approx(made.money + 0.5 * (1 - made.success_rate))


def test_a_price_that_is_missing_is_said_before_anybody_plays(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("models: {auto: {input: 1}}")
    config = EvaluateConfig(episodes=6, price=str(tmp_path / "prices.yaml"))
    with pytest.raises(InvalidConfig, match="for 'org/large', got those for 'auto'"):
        play_methods(
            replace(TRAINING, deepthink="org/large"),
            ThresholdSwitcher(0.8),
            config,
            toy(),
            on_episode=lambda done, method: pytest.fail("an episode was played"),
        )


def test_the_ends_of_the_scale_have_no_budget() -> None:
    training = TrainConfig(env="the corridor", cost=0.1, cache="none", budget=1)
    config = EvaluateConfig(episodes=10, validation_episodes=5)
    found = play_methods(training, ThresholdSwitcher(0.8), config, toy())
    assert call_rate([summary(found.played["deepthink"])]) == 1
    for method in ("random", "threshold", "londi"):
        for steps in found.played[method]:
            assert sum(record.step.choice for record in steps) <= 1


def test_several_training_seeds_are_summed_up(evaluation: Evaluation) -> None:
    one, three = results([evaluation]), results([evaluation] * 3)
    for a, b in zip(one, three, strict=True):
        assert a.return_mean == pytest.approx(b.return_mean)
        assert len(b.seed) == 3
        assert a.episodes == b.episodes == 40


def test_what_is_written_can_be_read(evaluation: Evaluation, tmp_path: Path) -> None:
    found = results([evaluation])
    write_results(tmp_path, found)
    write_steps(tmp_path, evaluation)
    assert read_results(tmp_path) == found
    rows = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert len(rows) == sum(len(e) for episodes in evaluation.played.values() for e in episodes)
    first = next(iter(evaluation.played["quick"]))[0]
    assert rows[0] == asdict(first.step) | {
        "method": "quick",
        "propensity": 1.0,
        "remaining": None,
        "seconds": first.seconds,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["episodes.jsonl", "results.json"]


def test_random_choices_follow_the_seed() -> None:
    def choices(seed: int) -> list[int]:
        episodes = played(ConstantSwitcher(0.5), range(10), Budget(), seed=seed)
        return [record.step.choice for steps in episodes for record in steps]

    assert choices(0) == choices(0)
    assert choices(0) != choices(1)
    assert np.mean(choices(2)) == pytest.approx(0.5, abs=0.2)
