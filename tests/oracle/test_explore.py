"""In which order states are explored, and what is left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from londi.config import LimitConfig
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.models.cache import AnswerStore
from londi.models.pair import ModelPair
from londi.models.scripted import RandomModel
from londi.oracle.clairvoyant import clairvoyant
from londi.oracle.explore import explore
from londi.oracle.graph import ENDED
from londi.types import Reply
from oracle.ways import DEPTH, Counted, Insists, Tree

EPISODES = range(3, 10)


def test_models_that_draw_have_no_limit(pair: ModelPair) -> None:
    with pytest.raises(InvalidConfig, match="expected deterministic models, got 'random'"):
        clairvoyant(
            LimitConfig(episodes=1), pair=ModelPair(RandomModel(0), pair.deepthink, pair.make)
        )


class Breaks(Insists):
    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        if any(len(prompt.observations) > 2 for prompt in prompts):
            raise RuntimeError("the model broke")
        return super().act(prompts)


def test_whatever_is_raised_worlds_are_closed_and_answers_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "made", 0)
    monkeypatch.setattr(Counted, "closed", 0)
    file = tmp_path / "answers.sqlite"
    broken = ModelPair(Insists("a"), Breaks("b"), Counted, AnswerStore(file))
    with pytest.raises(ModelError, match="failed: RuntimeError: the model broke"):
        clairvoyant(LimitConfig(episodes=3, states=20), pair=broken)
    assert Counted.made == Counted.closed > 0
    before = sqlite3.connect(file).execute("select count(*) from answers").fetchone()[0]
    assert before > 0, "what was answered before was paid for"


class Noted(Tree):
    """Notes the ways that are gone for the first time."""

    ways: list[str] = []  # noqa: RUF012

    def step(self, action: str) -> Any:
        told = super().step(action)
        if self._way not in Noted.ways:
            Noted.ways.append(self._way)
        return told


def deviations(way: str) -> int:
    """Of the models' choices those that the rarer of the two has made, all of them disagreeing."""
    made = way.split()[-1]
    return min(made.count("a"), made.count("b"))


@pytest.mark.parametrize("waits", [True, False])
def test_all_episodes_are_explored_at_one_level_before_any_at_the_next(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One choice of each episode at a time where a step waits, and else as many as there are."""
    monkeypatch.setattr(Noted, "ways", [])
    monkeypatch.setattr(Noted, "metadata", Tree.metadata | {"waits": waits})
    pair = ModelPair(Insists("a"), Insists("b"), Noted)
    graphs = explore(pair, EPISODES, states=1000, minutes=60)
    levels = list(map(deviations, Noted.ways))
    assert levels == sorted(levels) and set(levels) == {0, 1, 2, 3}
    assert {way.split()[0] for way in Noted.ways} == {str(seed) for seed in EPISODES}
    assert all(graph.complete for graph in graphs)


def test_every_state_is_found_once(climbers: ModelPair) -> None:
    graphs = explore(climbers, EPISODES, states=1000, minutes=60)
    assert sorted(graph.seed for graph in graphs) == list(EPISODES)
    for graph in graphs:
        assert graph.complete and graph.actions == [("a", "b")] * len(graph.after)
        reached = [to for after in graph.after for to in after if to != ENDED]
        assert sorted(reached) == list(range(1, len(graph.after)))
        assert len(graph.after) < 2**DEPTH


def test_no_episode_has_more_states_than_it_may(climbers: ModelPair) -> None:
    graphs = explore(climbers, EPISODES, states=5, minutes=60)
    assert max(len(graph.after) for graph in graphs) == 5
    assert not any(graph.complete for graph in graphs if len(graph.after) == 5)


def test_when_the_time_is_over_there_is_what_was_found(climbers: ModelPair) -> None:
    graphs = explore(climbers, EPISODES, states=1000, minutes=0)
    assert len(graphs) == len(EPISODES)
    # One batch of one choice in each of four episodes.
    assert sum(len(graph.after) for graph in graphs) <= len(EPISODES) + 4
    assert not any(graph.complete for graph in graphs)


def test_it_says_how_many_episodes_are_done(climbers: ModelPair) -> None:
    told: list[tuple[int, str]] = []
    graphs = explore(
        climbers,
        EPISODES,
        states=1000,
        minutes=60,
        on_states=lambda done, text: told.append((done, text)),
    )
    assert told[-1] == (7, f"{sum(len(graph.after) for graph in graphs)} states")


def test_the_models_are_asked_once_a_state_and_in_batches() -> None:
    class Asked(Insists):
        batches: list[int] = []  # noqa: RUF012

        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            self.batches.append(len(prompts))
            return super().act(prompts)

    graphs = explore(ModelPair(Asked("a"), Insists("b"), Tree), EPISODES, states=1000, minutes=60)
    assert sum(Asked.batches) == sum(len(graph.after) for graph in graphs)
    assert Asked.batches[0] == len(EPISODES)
    # Four worlds wait for their steps side by side.
    assert max(Asked.batches[1:]) == 4


def test_answers_are_kept_for_the_next_time(tmp_path: Path) -> None:
    pair = ModelPair(Insists("a"), Insists("b"), Tree, AnswerStore(tmp_path / "answers.sqlite"))
    graphs = explore(pair, EPISODES, states=20, minutes=60)
    with sqlite3.connect(tmp_path / "answers.sqlite") as db:
        (count,) = db.execute("select count(*) from answers").fetchone()
    db.close()
    assert count == 2 * sum(len(graph.after) for graph in graphs)
    pair.close()
