"""States and a model that the tests of all models share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from londi.envs.prompt import Prompt
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.seq2seq import Seq2SeqModel
from models.players import Counting


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """Five different states."""
    seen = {p.text(): p for e in demonstrations for p, _ in e.examples(3)}
    return list(seen.values())[:5]


@pytest.fixture
def lm(make_lm: Callable[..., Seq2SeqModel]) -> Counting:
    return Counting(make_lm())
