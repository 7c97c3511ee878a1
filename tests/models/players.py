"""Players that remember what they were asked, or say what they were told to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from londi.envs.prompt import Prompt
from londi.models.base import BaseModel, LanguageModel, ModelWrapper
from londi.types import Reply


class Counting(ModelWrapper):
    """A model that remembers what it was asked.

    Attributes:
        batches: the prompts of each call.
    """

    def __init__(self, inner: LanguageModel) -> None:
        super().__init__(inner)
        self.batches: list[list[Prompt]] = []

    @property
    def asked(self) -> list[Prompt]:
        return [prompt for batch in self.batches for prompt in batch]

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        self.batches.append(list(prompts))
        return self.inner.act(prompts)


class Scripted(BaseModel):
    """Gives the replies it was made with, in order."""

    name = "scripted"
    fingerprint = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self._replies = iter(replies)
        sizes = [len(r.embedding) for r in replies if r.embedding is not None]
        self.embedding_size = max(sizes, default=0)

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [next(self._replies) for _ in prompts]


def assert_same(ours: Sequence[Reply], theirs: Sequence[Reply]) -> None:
    """Equal to the last bit, embedding and usage too."""
    for one, other in zip(ours, theirs, strict=True):
        assert one == other and one.usage == other.usage
        if one.embedding is None or other.embedding is None:
            assert one.embedding is other.embedding
        else:
            assert one.embedding.dtype == other.embedding.dtype == np.float32
            np.testing.assert_array_equal(one.embedding, other.embedding)
