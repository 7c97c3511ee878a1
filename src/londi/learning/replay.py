"""Experience replay that applies the price of a DEEPTHINK call when a batch is drawn.

Task reward and activation are stored apart, so that one stored transition can be learned
from under any cost. This file knows no environment, no text, and not what is learned from
the batches; what an observation means is left to the caller.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from londi.storage.mapped import FileRecords, MemoryRecords
from londi.storage.row_log import RowLog
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
    """The newest `capacity` transitions, in a ring of preallocated records.

    Args:
        capacity: most transitions kept; the oldest give way.
        observation_size: numbers in an observation, D.
        folder: where to keep them in a file, for more than memory holds; empty for memory.

    Raises:
        ValueError: if either number is below one.
        LondiError: if there is no such folder, or no space in it.
    """

    def __init__(self, capacity: int, observation_size: int, folder: str = "") -> None:
        if capacity < 1 or observation_size < 1:
            raise ValueError(
                f"capacity and observation_size must be positive, "
                f"got {capacity} and {observation_size}"
            )
        # The fields of a transition lie side by side: one place in memory or on the disk a draw.
        kind = np.dtype(
            [
                ("observation", np.float32, (observation_size,)),
                ("choice", np.int64),
                ("reward", np.float32),
                ("next_observation", np.float32, (observation_size,)),
                ("terminated", np.float32),
                ("allowed", np.bool_, (2,)),
                ("next_allowed", np.bool_, (2,)),
                ("overspent", np.float32),
            ],
            align=True,
        )
        self.capacity = capacity
        self._added = 0  # over the whole life; the next slot is this modulo the capacity
        self._log = secrets.token_hex(8)
        self._records = (
            FileRecords(capacity, kind, Path(folder).expanduser())
            if folder
            else MemoryRecords(capacity, kind)
        )
        self._fields: dict[str, Array] = {
            name: self._records.array[name] for name in kind.names or ()
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
        self._records.touched(len(slots))

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
        self._records.touched(batch_size)
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

    def state(self) -> RowLog:
        """The transitions that are held, numbered in the order in which they were added.

        They are read from the buffer itself: to be saved before more are added.
        """
        return RowLog(self._log, self._added - len(self), self._added, self._read)

    def load_state(self, log: RowLog) -> None:
        """Take up what `state` returned; later draws and additions go on as they would have.

        Raises:
            ValueError: if it comes from a buffer of another capacity or observation size.
        """
        # A ring of another capacity wraps elsewhere, so its slots would not line up.
        held = min(log.end, self.capacity)
        if log.end - log.first != held:
            raise ValueError(
                f"state must have {held} transitions for this buffer, got {log.end - log.first}"
            )
        for first, end in log.parts():
            rows, slots = log.read(first, end), np.arange(first, end) % self.capacity
            for name, field in self._fields.items():
                expected = (end - first, *field.shape[1:])
                if rows[name].shape != expected:
                    raise ValueError(f"{name} must have shape {expected}, got {rows[name].shape}")
                field[slots] = rows[name]
            self._records.touched(len(slots))
        self._added, self._log = log.end, log.name

    def _read(self, first: int, end: int) -> dict[str, Array]:
        slots = np.arange(first, end) % self.capacity
        rows = {name: field[slots] for name, field in self._fields.items()}
        self._records.touched(len(slots))
        return rows
