"""Logged episodes: whole, in order, with the propensity of every choice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from logged_corridor import ENCODER, recorded
from londi.errors import LondiError
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import cached_dataset
from londi.storage.checkpoint import load_state, save_state
from londi.switching.observation import ObservationLayout, steps_made


@pytest.fixture(scope="module")
def log() -> OfflineDataset:
    return recorded(None)


def test_a_log_holds_whole_episodes_in_order(log: OfflineDataset) -> None:
    assert len(np.unique(log.episode)) == log.begins.sum() == 1200
    steps = steps_made(ObservationLayout(ENCODER.size).view(log.observation))
    assert (steps[log.begins] == 0).all()
    inside = ~log.begins[1:]
    assert (np.diff(steps)[inside] == 1).all()
    assert np.array_equal(log.observation[1:][inside], log.next_observation[:-1][inside])
    # Without a budget, at no cost: both are drawn when it is learned from.
    for rows in (log.observation, log.next_observation):
        view = ObservationLayout(ENCODER.size).view(rows)
        assert not view.capped.any() and not view.budget_left.any() and not view.cost.any()


def test_behind_the_end_of_the_task_nothing_is_seen(log: OfflineDataset) -> None:
    assert not log.next_observation[log.terminated].any()
    assert log.next_observation[~log.terminated].any(1).all()


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_propensity_of_each_choice_is_that_of_its_episode(rate: float) -> None:
    log = recorded(rate, episodes=60)
    np.testing.assert_array_equal(log.propensity, np.where(log.choice == 1, rate, 1 - rate))


def test_each_episode_has_a_call_rate_of_its_own(log: OfflineDataset) -> None:
    call = np.where(log.choice == 1, log.propensity, 1 - log.propensity)
    inside = ~log.begins[1:]
    np.testing.assert_allclose(np.diff(call)[inside], 0.0, atol=1e-12)
    assert len(np.unique(call[log.begins])) == 1200
    assert log.choice.mean() == pytest.approx(call.mean(), abs=0.05)


def test_a_log_as_a_replay_buffer_is_the_same_steps(log: OfflineDataset) -> None:
    held = log.replay().state()
    stored = held.read(held.first, held.end)
    for name in ("observation", "choice", "reward", "next_observation", "terminated"):
        np.testing.assert_array_equal(stored[name], getattr(log, name))
    assert stored["allowed"].all() and stored["next_allowed"].all()
    assert not stored["overspent"].any()


def test_what_is_to_come_is_the_rest_of_the_episode(log: OfflineDataset) -> None:
    expected = [
        log.reward[t:][log.episode[t:] == episode].sum() for t, episode in enumerate(log.episode)
    ]
    assert log.to_come() == pytest.approx(np.array(expected))


def test_a_log_that_is_cut_holds_no_unfinished_episode() -> None:
    cut = recorded(1.0, steps=50)
    assert 0 < len(cut.episode) <= 56
    assert cut.terminated[np.append(cut.begins[1:], True)].all()


def test_a_log_is_made_once(tmp_path: Path) -> None:
    made = cached_dataset(tmp_path / "log", lambda: recorded(0.5, episodes=5))

    def again() -> OfflineDataset:
        raise AssertionError

    kept = cached_dataset(tmp_path / "log", again)
    assert np.array_equal(made.observation, kept.observation)
    assert made.episode.tolist() == kept.episode.tolist()
    assert made.propensity.tolist() == kept.propensity.tolist()


def test_a_log_of_the_release_before_is_refused_in_one_line(tmp_path: Path) -> None:
    cached_dataset(tmp_path / "log", lambda: recorded(0.5, episodes=2))
    state = load_state(tmp_path / "log")
    state["following"] = state.pop("next_observation")
    del state["propensity"]
    save_state(tmp_path / "log", state)
    with pytest.raises(LondiError, match="made by another release of londi") as caught:
        cached_dataset(tmp_path / "log", lambda: recorded(0.5, episodes=2))
    assert len(str(caught.value).splitlines()) == 1
