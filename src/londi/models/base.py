"""The protocol of a language model: every member that londi reads, and base classes for it.

A model of your own derives from `BaseModel` and gives `name`, `fingerprint` and `act`. This file
knows no implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from londi.envs.prompt import Prompt
from londi.types import Reply, StateDict


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that an encoder reads."""

    def __call__(self, texts: list[str], /) -> Mapping[str, list[list[int]]]:
        """A mapping whose `input_ids` are the token ids of each text."""
        ...

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """Anything that answers a batch of prompts with one action each."""

    @property
    def name(self) -> str:
        """The name by which the user asked for the model."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """An identity of the answers: equal for two models only if they give equal answers to equal
        prompts. None if an answer is no function of the prompt's text; such answers are not cached.
        """
        ...

    @property
    def embedding_size(self) -> int:
        """Length of `Reply.embedding`; 0 if replies have no embedding."""
        ...

    @property
    def history(self) -> int | None:
        """Number of observations of a prompt that the model reads; None if it reads all."""
        ...

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer, for encoders over token ids; None if there is none."""
        ...

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order."""
        ...

    def state(self) -> StateDict | None:
        """The state that a resumed run needs (a random generator's, say); None if there is none."""
        ...

    def load_state(self, state: StateDict | None) -> None:
        """Restore a state that `state` returned."""
        ...


class BaseModel(ABC):
    """Defaults for the optional members of `LanguageModel`.

    A subclass gives `name`, `fingerprint` and `act`. It sets `embedding_size`, `history` or
    `tokenizer` if it has one, and overrides `state` and `load_state` if it draws random numbers.
    """

    name: str
    fingerprint: str | None
    embedding_size: int = 0
    history: int | None = None
    tokenizer: Tokenizer | None = None

    @abstractmethod
    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order."""

    def state(self) -> StateDict | None:
        """No state: the default for models that do not draw."""
        return None

    def load_state(self, state: StateDict | None) -> None:
        """Nothing to restore: the default for models that do not draw."""
        del state


class ModelWrapper:
    """A model around another one; every member is that of the inner model.

    Args:
        inner: the wrapped model.
    """

    def __init__(self, inner: LanguageModel) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def fingerprint(self) -> str | None:
        return self.inner.fingerprint

    @property
    def embedding_size(self) -> int:
        return self.inner.embedding_size

    @property
    def history(self) -> int | None:
        return self.inner.history

    @property
    def tokenizer(self) -> Tokenizer | None:
        return self.inner.tokenizer

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order."""
        return self.inner.act(prompts)

    def state(self) -> StateDict | None:
        return self.inner.state()

    def load_state(self, state: StateDict | None) -> None:
        self.inner.load_state(state)
