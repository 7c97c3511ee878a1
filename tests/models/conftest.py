"""States and models that the tests of all models share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from londi.envs.prompt import Prompt
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.seq2seq import Seq2SeqModel
from models.players import Counting

SOURCE = """
from londi.models.base import BaseModel
from londi.models.scripted import RandomModel
from londi.types import Reply, Usage

class Mine(BaseModel):
    name = "mine"
    fingerprint = "mine-v1"

    def act(self, prompts):
        return [Reply(prompt.actions[0], 0.0, 1.0, Usage(1)) for prompt in prompts]

class Draws(RandomModel):
    name = "draws"

def factory():
    return Mine()

ready = Mine()
nothing = 3

class Wrong(Mine):
    embedding_size = "3"
"""


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """Five different states."""
    seen = {p.text(): p for e in demonstrations for p, _ in e.examples(3)}
    return list(seen.values())[:5]


@pytest.fixture
def lm(make_lm: Callable[..., Seq2SeqModel]) -> Counting:
    return Counting(make_lm())


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of a user's own, in a module that is called `own_models`."""
    (tmp_path / "own_models.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
