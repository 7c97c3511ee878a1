"""Labelled episodes: what is in them, and that they can be made again."""

from __future__ import annotations

import gzip
import json
import resource
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from londi.envs.babyai.env import ACTIONS
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.errors import InvalidConfig, LondiError
from londi.imitation.demonstrations import (
    Demonstration,
    collect,
    collect_expert,
    load_demonstrations,
    save_demonstrations,
)
from playthings import Texts

MIX = "londi/BabyAIText-MixedTrainLocal-v0"


def test_an_example_is_the_state_and_the_experts_action() -> None:
    episode = Demonstration(
        "g", ("x", "y"), ("A", "B", "C", "D"), ("x", "y", "x", "y"), ("y", "y", "x", "x"), True
    )
    acts = ("x", "y")
    assert list(episode.examples(3)) == [
        (Prompt("g", acts, ("A",)), "y"),
        (Prompt("g", acts, ("A", "B"), ("x",)), "y"),
        (Prompt("g", acts, ("A", "B", "C"), ("x", "y")), "x"),
        (Prompt("g", acts, ("B", "C", "D"), ("y", "x")), "x"),
    ]
    assert [p.observations for p, _ in episode.examples(1)] == [("A",), ("B",), ("C",), ("D",)]
    assert all(p.past == () for p, _ in episode.examples(1))


def replay(episode: Demonstration, seed: int) -> None:
    """Do again what was done, and see what was seen."""
    env = make_env(MIX, expert=True)
    observation, info = env.reset(seed=seed)
    assert episode.goal == info["goal"]
    ended = False
    for seen, taken, label in zip(episode.observations, episode.taken, episode.labels, strict=True):
        assert not ended
        assert (seen, label) == (observation, info["expert"])
        observation, _, terminated, truncated, info = env.step(taken)
        ended = terminated or truncated
    assert ended or info["expert"] is None
    assert episode.success == info["success"]


def test_without_noise_the_expert_does_what_it_says() -> None:
    for seed, episode in enumerate(collect_expert(MIX, range(5), (0.0,))):
        assert episode.taken == episode.labels
        assert episode.success
        replay(episode, seed)


def test_with_noise_the_labels_are_still_the_experts() -> None:
    episodes = collect_expert(MIX, range(10), (0.5,))
    for seed, episode in enumerate(episodes):
        replay(episode, seed)
    pairs = [p for e in episodes for p in zip(e.taken, e.labels, strict=True)]
    # Half of the actions are drawn from six, one of which is the expert's.
    assert np.mean([a != b for a, b in pairs]) == pytest.approx(0.5 * 5 / 6, abs=0.12)


def test_each_episode_draws_one_of_the_noises() -> None:
    episodes = collect_expert(MIX, range(30), (0.0, 1.0))
    follows = [np.mean([a == b for a, b in zip(e.taken, e.labels, strict=True)]) for e in episodes]
    clean = sum(share == 1.0 for share in follows)
    assert 8 <= clean <= 22
    assert all(share == 1.0 or share < 0.7 for share in follows)


def test_workers_do_not_change_the_episodes() -> None:
    alone = collect_expert(MIX, range(100, 105), (0.0, 0.3), workers=1)
    shared = collect_expert(MIX, range(100, 105), (0.0, 0.3), workers=2)
    assert shared == alone
    assert collect_expert(MIX, range(200, 205), (0.0, 0.3)) != alone


class Chance:
    """Answers each prompt by chance, and keeps count."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.batches: list[int] = []

    def __call__(self, prompts: Sequence[Prompt]) -> list[str]:
        self.batches.append(len(prompts))
        assert all(prompt.actions == ACTIONS for prompt in prompts)
        return [str(self.rng.choice(ACTIONS)) for _ in prompts]


def test_another_may_act_while_the_expert_labels() -> None:
    act = Chance()
    episodes = list(collect(MIX, range(6), act, parallel=4))
    assert len(episodes) == 6
    assert max(act.batches) == 4, "four episodes side by side, answered at once"
    agreement = [a == b for e in episodes for a, b in zip(e.taken, e.labels, strict=True)]
    assert 0.05 < np.mean(agreement) < 0.4
    for episode in episodes:
        seed = next(s for s in range(6) if starts(s) == (episode.goal, episode.observations[0]))
        replay(episode, seed)


def starts(seed: int) -> tuple[str, str]:
    observation, info = make_env(MIX).reset(seed=seed)
    return info["goal"], observation


def test_a_function_of_the_prompt_gives_the_same_episodes_side_by_side() -> None:
    def act(prompts: Sequence[Prompt]) -> list[str]:
        return [ACTIONS[len(p.text()) % 3] for p in prompts]

    alone = list(collect(MIX, range(3), act, parallel=1))
    beside = list(collect(MIX, range(3), act, parallel=3))
    assert sorted(alone, key=repr) == sorted(beside, key=repr)


def test_what_is_saved_comes_back(tmp_path: Path, demonstrations: list[Demonstration]) -> None:
    file = tmp_path / "d.jsonl.gz"
    save_demonstrations(file, demonstrations)
    assert load_demonstrations(file) == demonstrations
    assert [path.name for path in tmp_path.iterdir()] == ["d.jsonl.gz"]


def test_an_interrupted_save_leaves_no_file(
    tmp_path: Path, demonstrations: list[Demonstration]
) -> None:
    class Broken(list[Demonstration]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield demonstrations[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_demonstrations(tmp_path / "d.jsonl.gz", Broken())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_no_litter(
    tmp_path: Path, demonstrations: list[Demonstration]
) -> None:
    file = tmp_path / "d.jsonl.gz"
    save_demonstrations(file, demonstrations[:1])
    # The operating system refuses to let a file grow beyond this.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(LondiError, match=r"cannot write to .*--resume") as error:
            save_demonstrations(file, demonstrations)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["d.jsonl.gz"]
    assert load_demonstrations(file) == demonstrations[:1]


class Rooms(Texts):
    """Each room has its own doors; the goal changes once; the expert takes the last door."""

    closed = 0
    made = 0
    rooms = (("a", "b"), ("c",), ("d", "e", "f"))

    def __init__(self, expert: bool = False, fails: bool = False) -> None:
        Rooms.made += 1
        if fails and Rooms.made == 3:
            raise ValueError("no third copy")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return "room 0", self._info()

    def step(self, action: str) -> Any:
        self._t += 1
        return f"room {self._t}", float(self._t == 3), self._t == 3, False, self._info()

    def _info(self) -> dict[str, Any]:
        if self._t == 3:
            return {}
        doors = self.rooms[self._t]
        return {"goal": "go" if self._t == 0 else "run", "actions": doors, "expert": doors[-1]}

    def close(self) -> None:
        Rooms.closed += 1


@pytest.fixture
def rooms() -> Iterator[str]:
    name = "test/Rooms-v0"
    gym.register(name, Rooms)
    Rooms.made = Rooms.closed = 0
    yield name
    del gym.registry[name]


def test_each_state_keeps_its_own_goal_and_actions(rooms: str, tmp_path: Path) -> None:
    (episode,) = collect_expert(rooms, range(1), (0.0,))
    played = TextEpisode(make_env(rooms, expert=True))
    played.start(0)
    save_demonstrations(tmp_path / "d.gz", [episode])
    assert load_demonstrations(tmp_path / "d.gz") == [episode]
    prompts = [prompt for prompt, _ in episode.examples(3)]
    assert [p.actions for p in prompts] == [("a", "b"), ("c",), ("d", "e", "f")]
    assert [p.goal for p in prompts] == ["go", "run", "run"]
    for prompt, label in episode.examples(3):
        assert prompt == replace(played.prompt(), expert=None)
        played.step(label)


def test_a_file_of_the_release_before_still_loads(tmp_path: Path) -> None:
    old = {
        "goal": "g",
        "actions": ["x", "y"],
        "observations": ["A", "B"],
        "taken": ["x", "y"],
        "labels": ["y", "x"],
        "success": True,
    }
    states = [{"score": k, "look": "here", "inventory": "none"} for k in range(2)]
    rows = [old, old | {"history": "scienceworld", "actions": [], "states": states}]
    with gzip.open(tmp_path / "d.gz", "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    plain, science = load_demonstrations(tmp_path / "d.gz")
    assert [p.actions for p, _ in plain.examples(3)] == [("x", "y")] * 2
    assert [type(p).__name__ for p, _ in science.examples(3)] == ["SciencePrompt"] * 2


def _error(_: Sequence[Prompt]) -> list[str]:
    raise RuntimeError("the model broke")


def test_whatever_is_raised_every_environment_is_closed(rooms: str) -> None:
    with pytest.raises(RuntimeError, match="the model broke"):
        list(collect(rooms, range(4), _error, parallel=3))
    assert (Rooms.made, Rooms.closed) == (3, 3)
    Rooms.made = Rooms.closed = 0
    with pytest.raises(InvalidConfig, match="no third copy"):
        list(collect(rooms, range(4), None, parallel=3, options={"fails": True}))
    assert Rooms.closed == 2
    Rooms.made = Rooms.closed = 0
    episodes = collect(rooms, range(4), None, parallel=2)
    next(episodes)
    episodes.close()  # type: ignore[attr-defined]
    assert (Rooms.made, Rooms.closed) == (2, 2)


def test_the_expert_may_be_among_the_options(rooms: str) -> None:
    assert len(collect_expert(rooms, range(2), (0.0,), options={"expert": False})) == 2


@pytest.mark.parametrize("damage", ["cut", "text", "row", "missing"])
def test_damaged_demonstrations_are_one_line(
    tmp_path: Path, demonstrations: list[Demonstration], damage: str
) -> None:
    file = tmp_path / "d.gz"
    save_demonstrations(file, demonstrations)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-30])
    elif damage == "text":
        file.write_text("no gzip")
    elif damage == "row":
        file.write_bytes(gzip.compress(b'{"goal": "g"}\n'))
    else:
        file.unlink()
    with pytest.raises(LondiError, match="cannot read demonstrations in") as error:
        load_demonstrations(file)
    assert "\n" not in str(error.value)


def test_an_environment_without_expert_cannot_be_imitated(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make_env(MIX)
    monkeypatch.setattr("londi.imitation.demonstrations.make_env", lambda name, expert: plain)
    with pytest.raises(InvalidConfig, match="has no expert to imitate"):
        collect_expert(MIX, range(1), (0.0,))


def test_scienceworlds_episodes_keep_what_their_prompts_show(tmp_path: Path) -> None:
    env = "londi/ScienceWorld-find-plant-v0"
    episodes = collect_expert(env, range(2), (0.0,))
    save_demonstrations(tmp_path / "episodes", episodes)
    assert load_demonstrations(tmp_path / "episodes") == episodes
    for seed, episode in enumerate(episodes):
        assert episode.taken == episode.labels
        assert episode.success
        played = TextEpisode(make_env(env, expert=True))
        played.start(seed)
        for prompt, label in episode.examples(11):
            assert prompt.text() == played.prompt().text()
            assert "Current inventory: In your inventory" in prompt.text()
            played.step(label)
        played.close()


def test_noise_needs_actions_to_draw_from() -> None:
    with pytest.raises(InvalidConfig, match="lists no actions"):
        collect_expert("londi/ScienceWorld-find-plant-v0", range(1), (0.5,))
