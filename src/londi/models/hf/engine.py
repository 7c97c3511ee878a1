"""The protocol of an engine: what computes a model's answers in place of torch.

This file knows no engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from londi.envs.prompt import Prompt
from londi.models.hf.choice import Choice
from londi.types import Array

Answer = tuple[Choice, Array]
"""A choice, and the embedding of its prompt `[embedding_size]`."""


class Engine(Protocol):
    """A way to run a model's forward passes other than torch's."""

    @property
    def name(self) -> str:
        """Its name, which marks its answers: they differ from torch's by rounding."""
        ...

    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        """As `TransformerModel.answer`."""
        ...
