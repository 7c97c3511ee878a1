"""Experience replay that applies the price of a DEEPTHINK call when a batch is drawn.

Task reward and activation are stored apart, so that one stored transition can be learned
from under any cost. This file knows no environment, no text, and not what is learned from
the batches; what an observation means is left to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from londi.types import Array


@dataclass(frozen=True, slots=True)
class Batch:
    """Transitions to learn from, as tensors; B of them, observations of D numbers.

    Attributes:
        observation: [B, D] float32.
        action: [B] int64; 0 is QUICK, 1 is DEEPTHINK.
        reward: [B] float32, the cost of the call already taken off.
        next_observation: [B, D] float32.
        terminated: [B] float32; 1.0 where no reward can follow, which stops the bootstrap.
            A truncated episode has 0.0: the world went on, only the recording ended.
        allowed: [B, 2] bool; the actions that could be chosen at `observation`.
        next_allowed: [B, 2] bool; those that can be chosen at `next_observation`.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminated: Tensor
    allowed: Tensor
    next_allowed: Tensor


@dataclass(frozen=True, slots=True)
class Experience:
    """One transition from each of n environments, as arrays; observations of D numbers.

    Attributes:
        observation: [n, D], what was seen.
        choice: [n], 1 where DEEPTHINK acted.
        reward: [n], the task's own reward, no cost taken off.
        next_observation: [n, D], what followed; the last one of its episode where it ended, not
            the first of the next.
        terminated: [n], true where the task ended; false where it was merely cut short.
        allowed: [n, 2], the choices that were possible.
        next_allowed: [n, 2], the choices possible at `next_observation`.
        overspent: [n], true for a DEEPTHINK call beyond the budget (`penalty` mode).
    """

    observation: Array
    choice: Array
    reward: Array
    next_observation: Array
    terminated: Array
    allowed: Array
    next_allowed: Array
    overspent: Array


class ReplayBuffer:
    """The newest `capacity` transitions, in a ring of preallocated arrays.

    Args:
        capacity: most transitions kept; the oldest give way.
        observation_size: numbers in an observation, D.

    Raises:
        ValueError: if either is below one.
    """

    def __init__(self, capacity: int, observation_size: int) -> None:
        if capacity < 1 or observation_size < 1:
            raise ValueError(
                f"capacity and observation_size must be positive, "
                f"got {capacity} and {observation_size}"
            )
        self.capacity = capacity
        self._added = 0  # over the whole life; the next slot is this modulo the capacity
        self._fields: dict[str, Array] = {
            "observation": np.zeros((capacity, observation_size), np.float32),
            "choice": np.zeros(capacity, np.int64),
            "reward": np.zeros(capacity, np.float32),
            "next_observation": np.zeros((capacity, observation_size), np.float32),
            "terminated": np.zeros(capacity, np.float32),
            "allowed": np.ones((capacity, 2), np.bool_),
            "next_allowed": np.ones((capacity, 2), np.bool_),
            "overspent": np.zeros(capacity, np.float32),
        }

    def __len__(self) -> int:
        """Transitions held."""
        return min(self._added, self.capacity)

    def add(self, seen: Experience) -> None:
        """Store `seen`.

        Raises:
            ValueError: if shapes disagree, or no choice is left in a row of a mask.
        """
        rows = {name: np.asarray(getattr(seen, name)) for name in self._fields}
        n = len(rows["choice"])
        # NumPy would broadcast a wrong shape silently, and the ring would hold nonsense.
        for name, value in rows.items():
            expected = (n, *self._fields[name].shape[1:])
            if value.shape != expected:
                raise ValueError(f"{name} must have shape {expected}, got {value.shape}")
        for name in ("allowed", "next_allowed"):
            if not rows[name].any(axis=1).all():
                raise ValueError(f"{name} must leave at least one choice in every row")
        # More rows than slots: the earlier ones would be overwritten at once.
        skip = max(0, n - self.capacity)
        slots = np.arange(self._added + skip, self._added + n) % self.capacity
        for name, value in rows.items():
            self._fields[name][slots] = value[skip:]
        self._added += n

    def sample(
        self, batch_size: int, cost: float | Array, penalty: float, rng: np.random.Generator
    ) -> Batch:
        """Draw a batch with replacement, charging the calls in it.

        The learned reward is `reward - cost * choice - penalty * overspent`.

        Args:
            batch_size: transitions to draw, B.
            cost: price of a DEEPTHINK call in units of reward; one number, or [B] numbers.
            penalty: further price of a call beyond the budget, in units of reward.
            rng: where the draw comes from.

        Raises:
            ValueError: if the buffer is empty.
        """
        if not len(self):
            raise ValueError("cannot sample from an empty replay buffer")
        drawn = rng.integers(len(self), size=batch_size)
        take = {name: torch.from_numpy(field[drawn]) for name, field in self._fields.items()}
        price = torch.as_tensor(cost, dtype=torch.float32)
        return Batch(
            observation=take["observation"],
            action=take["choice"],
            reward=take["reward"] - price * take["choice"] - penalty * take["overspent"],
            next_observation=take["next_observation"],
            terminated=take["terminated"],
            allowed=take["allowed"],
            next_allowed=take["next_allowed"],
        )

    def state(self) -> dict[str, Array]:
        """A copy of the filled part, in slot order, with the count of all rows ever added."""
        held = {name: field[: len(self)].copy() for name, field in self._fields.items()}
        return held | {"added": np.array(self._added)}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` returned; later draws and additions go on as they would have.

        Raises:
            ValueError: if it comes from a buffer of another capacity or observation size.
        """
        added = int(state["added"])
        held = min(added, self.capacity)
        # A ring of another capacity wraps elsewhere, so its slots would not line up.
        for name, field in self._fields.items():
            if state[name].shape != (held, *field.shape[1:]):
                raise ValueError(
                    f"{name} must have shape {(held, *field.shape[1:])} for this buffer, "
                    f"got {state[name].shape}"
                )
        for name, field in self._fields.items():
            field[:held] = state[name]
        self._added = added
