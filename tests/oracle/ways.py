"""A world of which every way is known, and what a way returns."""

from __future__ import annotations

import itertools
from ast import literal_eval
from collections.abc import Sequence
from random import Random
from typing import Any

from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.models.base import BaseModel
from londi.models.pair import ModelPair
from londi.types import Reply, Usage
from playthings import Texts

DEPTH = 6


class Tree(Texts):
    """Each way is a state of its own, with a reward by its letters and the seed."""

    metadata = {"waits": True, "returns": (-1.0, 1.0)}  # noqa: RUF012
    aborted = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._way, self._total = f"{seed} ", 0.0
        return self._way, self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._way += action
        if self.aborted and self._way.endswith("aab"):
            return self._way, 0.0, False, True, self._info() | {"aborted": "it died"}
        luck = Random(self._way)
        total = luck.choice([-1.0, self._total, self._total, max(self._total, luck.random())])
        reward, self._total = total - self._total, total
        over = len(self._way.split()[-1]) == DEPTH
        return self._way, reward, total == -1.0, over, self._info()

    def _info(self) -> dict[str, Any]:
        return {"goal": "climb", "actions": ()}


class Stairs(Texts):
    """Up or down a stair, with a reward by the height that is reached, and by the seed.

    Its states can be restored; `forgets` names what their keys leave out.
    """

    metadata = {"returns": (-6.0, 6.0), "restorable": True}  # noqa: RUF012
    forgets = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._at = {"seed": seed or 0, "steps": 0, "height": 0}
        return self._told()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._at["steps"] += 1
        self._at["height"] += 1 if action == "a" else -1
        height = self._at["height"]
        observation, info = self._told()
        reward = Random(f"{self._at['seed']} {height}").uniform(-1, 1)
        return observation, reward, height == 3, self._at["steps"] == DEPTH, info

    def state_key(self) -> bytes:
        return repr({k: v for k, v in self._at.items() if k != self.forgets}).encode()

    def snapshot(self) -> bytes:
        return repr(self._at).encode()

    def restore(self, snapshot: bytes) -> None:
        self._at = literal_eval(snapshot.decode())

    def _told(self) -> tuple[str, dict[str, Any]]:
        return "a stair", {"goal": "climb", "actions": ()}


class Insists(BaseModel):
    """Does the same everywhere."""

    def __init__(self, action: str) -> None:
        self.name = self.fingerprint = self._action = action

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply(self._action, 0.0, 1.0, Usage()) for _ in prompts]


def climbed(seed: int, choices: Sequence[int]) -> tuple[float, int]:
    """The return of a sequence of choices, and its calls."""
    env, total, calls = Tree(), 0.0, 0
    env.reset(seed=seed)
    for g in choices:
        _, reward, terminated, truncated, _ = env.step("ab"[g])
        total, calls = total + reward, calls + g
        if terminated or truncated:
            break
    return total, calls


EVERY = list(itertools.product((0, 1), repeat=DEPTH))


class Counted(Tree):
    """Counts its copies; `wrong` replaces the reward from the third step on."""

    made = closed = 0
    wrong: float | None = None

    def __init__(self) -> None:
        Counted.made += 1

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        told = super().step(action)
        if self.wrong is None or len(self._way.split()[-1]) < 3:
            return told
        return told[0], self.wrong, *told[2:]

    def close(self) -> None:
        Counted.closed += 1


def returned(pair: ModelPair, seed: int, choices: Sequence[int]) -> tuple[float, bool]:
    """What an episode returns with these choices, and QUICK from there on."""
    episode = TextEpisode(pair.make())
    episode.start(seed)
    total = 0.0
    for g in itertools.chain(choices, itertools.repeat(0)):
        model = pair.deepthink if g else pair.quick
        outcome = episode.step(model.act([episode.prompt()])[0].action)
        total += outcome.reward
        if outcome.ended:
            episode.close()
            return total, outcome.success
    raise AssertionError
