"""A text environment and players whose right answers are known, for tests of switching.

The world is a short corridor. In each state a text says whether it is easy or hard; a right
action leads on, a wrong one ends the episode with nothing. QUICK knows what to do where it is
easy, DEEPTHINK everywhere: so a call is worth its price exactly where it is hard. And what a replay
buffer would hold of a finite problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces

from londi.config import TrainConfig
from londi.envs.prompt import Prompt
from londi.learning.replay import Experience, ReplayBuffer
from londi.models.base import BaseModel
from londi.models.pair import ModelPair
from londi.oracle.mdp import FiniteSwitching
from londi.storage.checkpoint import load_state
from londi.switching.networks import Network
from londi.types import Reply, Usage

LENGTH = 4
ACTIONS = ("left", "right")

TOY = TrainConfig(
    env="the corridor",
    quick="quick",
    deepthink="deepthink",
    cache="none",
    cost=0.1,
    width=32,
    steps=4_000,
    num_envs=8,
    warmup=400,
    seed=1,
    batch_size=64,
    learning_rate=3e-3,
    exploration=0.0,
    steps_per_update=4,
    gamma=0.99,
    report_every=400,
    checkpoint_every=800,
)
"""A training on the corridor that takes some seconds and finds the right answer, as four of six
seeds do: at others the actor is sure too soon that no call is worth its price."""


UNIVERSAL = replace(
    TOY, universal=True, cost_range=(0.02, 0.8), most_budget=3, steps=6_000, exploration=0.3
)
"""One for every cost and budget of a range."""


class Texts(gym.Env[str, str]):
    """An environment of short texts."""

    observation_space = spaces.Text(64)
    action_space = spaces.Text(64)


class Corridor(Texts):
    """`LENGTH` right actions lead to a reward of 1; each state is easy or hard by the seed.

    Args:
        limit: steps after which an episode is truncated; none by default.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._hard = self.np_random.integers(2, size=LENGTH)
        self._right = self.np_random.integers(2, size=LENGTH)
        self._at = 0
        return self._text(), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        right = action == ACTIONS[self._right[self._at]]
        self._at += right
        done = self._at == LENGTH
        truncated = self._limit is not None and self._at >= self._limit
        info = self._info() | {"success": bool(done)}
        return self._text(), float(done), bool(done or not right), truncated, info

    def _text(self) -> str:
        if self._at == LENGTH:
            return "the end"
        hard = "hard" if self._hard[self._at] else "easy"
        return f"{hard}: the door on the {ACTIONS[self._right[self._at]]} at {self._at}"

    def _info(self) -> dict[str, Any]:
        return {"goal": "walk", "actions": ACTIONS, "success": False}


class Scripted(BaseModel):
    """Reads the right action from the text, where it can; counts the prompts it was asked.

    Args:
        name: what it is called.
        knows: the words that begin the texts which it can read.
    """

    def __init__(self, name: str, knows: Sequence[str]) -> None:
        self.name = name
        self.fingerprint = name
        self.knows = tuple(knows)
        self.asked: list[int] = []

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        self.asked.append(len(prompts))
        return [self._reply(prompt.observations[-1]) for prompt in prompts]

    def _reply(self, text: str) -> Reply:
        able = text.startswith(self.knows)
        right = "left" if "left" in text else "right"
        wrong = "right" if right == "left" else "left"
        vector = np.array([able, text.startswith("hard"), 0.5], np.float32)
        flops = 10.0 if self.name == "quick" else 1000.0
        usage = Usage(1, len(text.split()), 0.001, flops, cpu_seconds=0.001)
        return Reply(right if able else wrong, -0.1, 0.9 if able else 0.6, usage, vector)

    embedding_size = 3


def quick() -> Scripted:
    return Scripted("quick", ["easy"])


def deepthink() -> Scripted:
    return Scripted("deepthink", ["easy", "hard", "the end"])


def toy() -> ModelPair:
    return ModelPair(quick(), deepthink(), Corridor)


def perceptron(size: int, width: int) -> Network:
    """Two numbers `[B, 2]` from all `size` numbers of an observation, one hidden layer between."""
    hidden = torch.nn.Sequential(torch.nn.Linear(size, width), torch.nn.ReLU())
    return Network(None, hidden, width)


def actor(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the Switcher that the run in `folder` has left."""
    found: dict[str, torch.Tensor] = load_state(folder / "checkpoint")["switcher"]["actor"]
    return found


def same(first: Path, second: Path) -> bool:
    """Whether two runs have left the same Switcher, to the bit."""
    a, b = actor(first), actor(second)
    return all(torch.equal(a[key], b[key]) for key in a)


def held(buffer: ReplayBuffer) -> dict[str, np.ndarray]:
    """All transitions of a buffer by field, oldest first."""
    log = buffer.state()
    return log.read(log.first, log.end)


def record(mdp: FiniteSwitching, budget: int | None, n: int, shown: np.ndarray) -> ReplayBuffer:
    """Uniform states and choices of a finite problem.

    `shown` holds an observation for each (calls left, state), states innermost.
    """
    rng, size = np.random.default_rng(0), mdp.states
    rows = 1 if budget is None else budget + 1
    state = rng.choice(np.flatnonzero(~mdp.terminal), n)
    left = rng.integers(rows, size=n)
    can_call = (left > 0) | (budget is None)
    choice = rng.integers(2, size=n) * can_call
    reward, after, ended = mdp.step(state, choice, rng)
    left_after = left - choice * (budget is not None)
    buffer = ReplayBuffer(n, shown.shape[1])
    seen = Experience(
        observation=shown[left * size + state],
        choice=choice,
        reward=reward,
        next_observation=shown[left_after * size + after],
        terminated=ended,
        allowed=np.stack([np.ones(n, bool), can_call], 1),
        next_allowed=np.stack([np.ones(n, bool), (left_after > 0) | (budget is None)], 1),
        overspent=np.zeros(n),
    )
    buffer.add(seen)
    return buffer
