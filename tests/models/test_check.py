"""The checker of models: each break of the contract is named in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import londi
from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.base import BaseModel
from londi.models.check import PROMPTS, check_members, check_model
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel
from londi.types import Reply, Usage
from playthings import quick

GOOD = Reply("toggle", -0.5, 0.5, Usage(1, 10, 0.1, 100.0), np.ones(3, np.float32))


class Mine(BaseModel):
    """The least that a model has to be, with a reply that a test may spoil."""

    name = "mine"
    fingerprint: str | None = "mine-v1"
    embedding_size = 3

    def __init__(self, reply: Any = GOOD) -> None:
        self._reply = reply

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [self._reply for _ in prompts]


def refused(model: Any, check: Callable[[Any], None] = check_model) -> str:
    with pytest.raises(ModelError) as caught:
        check(model)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def test_good_models_pass(make_lm: Callable[..., Seq2SeqModel]) -> None:
    for model in (Mine(), quick(), RandomModel(), ExpertModel(), make_lm(), MeteredModel(Mine())):
        check_model(model)
    check_model(make_lm(choose="generate", max_new_tokens=4), PROMPTS[:2])


def test_it_is_a_public_name() -> None:
    assert londi.check_model is check_model


def test_a_random_generator_is_left_as_it_was() -> None:
    checked, other = RandomModel(5), RandomModel(5)
    check_model(checked)
    assert checked.act(PROMPTS * 4) == other.act(PROMPTS * 4)


@pytest.mark.parametrize("member", ["name", "fingerprint"])
def test_a_missing_member_is_named(member: str) -> None:
    members = {"name": "bare", "fingerprint": "v1", "act": Mine.act}
    del members[member]
    bare = type("Bare", (BaseModel,), members)()
    assert f"'Bare' has no '{member}'" in refused(bare, check_members)


def test_a_model_that_derives_from_nothing_is_told_what_to_derive_from() -> None:
    class Bare:
        name = fingerprint = "bare"

        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            return []

    said = refused(Bare())
    assert "'embedding_size'" in said and "londi.models.base.BaseModel" in said


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", ""),
        ("name", 3),
        ("fingerprint", 7),
        ("embedding_size", None),
        ("embedding_size", -1),
        ("embedding_size", True),
        ("embedding_size", 3.0),
        ("history", 0),
        ("history", -1),
        ("history", "3"),
        ("tokenizer", "bert"),
        ("act", None),
        ("state", None),
    ],
)
def test_a_wrong_member_is_named(member: str, value: object) -> None:
    model = Mine()
    setattr(model, member, value)
    assert f"'Mine': {member}: expected" in refused(model, check_members)


def test_a_class_in_place_of_a_model_is_named() -> None:
    assert "got the class" in refused(Mine, check_members)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"action": 3}, "action: expected text"),
        ({"action": None}, "action: expected text"),
        ({"logprob": float("nan")}, "logprob: expected a number, got nan"),
        ({"logprob": "-1"}, "logprob: expected a number"),
        ({"confidence": float("nan")}, "confidence: expected a number from 0 to 1, got nan"),
        ({"confidence": 1.5}, "confidence: expected a number from 0 to 1, got 1.5"),
        ({"confidence": -0.1}, "confidence"),
        ({"usage": None}, "usage: expected a londi.types.Usage"),
        ({"usage": Usage(seconds=float("nan"))}, "usage: expected numbers >= 0"),
        ({"usage": Usage(tokens=-1)}, "usage: expected numbers >= 0"),
        ({"embedding": None}, "embedding: expected 3 numbers (embedding_size), got none"),
        ({"embedding": [1.0, 2.0, 3.0]}, "embedding: expected a float32 array, got list"),
        ({"embedding": np.ones(3)}, "embedding: expected a float32 array, got float64"),
        ({"embedding": np.ones(4, np.float32)}, "embedding: expected shape (3,)"),
        ({"embedding": np.ones((1, 3), np.float32)}, "embedding: expected shape (3,)"),
        ({"embedding": np.full(3, np.nan, np.float32)}, "embedding: expected finite numbers"),
    ],
)
def test_a_wrong_reply_is_named(spoilt: dict[str, Any], said: str) -> None:
    message = refused(Mine(replace(GOOD, **spoilt)))
    assert said in message and "'mine'" in message and "go to the red ball" in message


def test_text_in_place_of_a_reply_is_named() -> None:
    assert "expected a londi.types.Reply, got 'toggle'" in refused(Mine("toggle"))


@pytest.mark.parametrize("size", [0, 4])
def test_an_embedding_that_nobody_announced_is_named(size: int) -> None:
    model = Mine()
    model.embedding_size = size
    assert f"expected shape ({size},)" in refused(model)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_wrong_number_of_replies_is_named(count: int) -> None:
    class Counts(Mine):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            return [GOOD] * count

    assert f"expected 3 replies, one a prompt, got {count}" in refused(Counts())


def test_a_model_that_draws_and_says_that_it_does_not_is_named() -> None:
    class Draws(RandomModel):
        fingerprint = "always the same"  # type: ignore[assignment]

    assert "expected one answer to equal prompts" in refused(Draws())


def test_answers_that_depend_on_the_other_prompts_of_a_batch_are_named() -> None:
    class Neighbours(Mine):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            longest = max(len(prompt.text()) for prompt in prompts)
            return [replace(GOOD, logprob=-float(longest)) for _ in prompts]

    assert "expected one answer alone and in a batch" in refused(Neighbours())


def test_a_member_that_raises_is_named() -> None:
    class Raising(Mine):
        @property
        def history(self) -> int | None:
            raise RuntimeError("not loaded")

    assert refused(Raising(), check_members).endswith("history: RuntimeError: not loaded")
