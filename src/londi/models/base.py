"""What londi asks of a language model: prompts in, actions out. It knows no implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from londi.envs.prompt import Prompt
from londi.types import Reply


@runtime_checkable
class LanguageModel(Protocol):
    """Anything that answers a batch of prompts with one action each.

    Attributes:
        name: how the user named it.
        fingerprint: equal for two models only if they give equal answers to equal prompts;
            None for a model whose answer is no function of the prompt's text, which is then
            never cached.
    """

    name: str

    @property
    def fingerprint(self) -> str | None: ...

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order."""
        ...


def unwrap(model: LanguageModel) -> LanguageModel:
    """The model itself, without the cache or stop-watch that it is wrapped in."""
    while hasattr(model, "inner"):
        model = model.inner
    return model
