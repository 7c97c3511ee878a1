"""The defaults of a model of one's own, and londi's wrappers around a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from londi.envs.prompt import Prompt
from londi.models.base import BaseModel, LanguageModel, ModelWrapper
from londi.models.cache import AnswerStore, CachedModel
from londi.models.check import check_members
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import RandomModel
from londi.types import Reply, Usage

MakeLM = Callable[..., Seq2SeqModel]

HERE = Prompt("go", ("left", "right", "on"), ("a wall",))


def test_a_wrapper_has_every_member_of_the_model_inside(make_lm: MakeLM) -> None:
    bare = make_lm(history=2)
    for wrapped in (MeteredModel(bare), CachedModel(MeteredModel(bare), AnswerStore())):
        check_members(wrapped)
        assert wrapped.embedding_size == bare.embedding_size > 0
        assert wrapped.history == 2
        assert wrapped.tokenizer is bare.tokenizer
        assert wrapped.state() is None
    drawing = RandomModel(3)
    before = MeteredModel(drawing).state()
    first = drawing.act([HERE] * 8)
    MeteredModel(drawing).load_state(before)
    assert drawing.act([HERE] * 8) == first


# A model of one's own.


class Least(BaseModel):
    """What `BaseModel` asks for, and nothing else."""

    name = "least"
    fingerprint = "least-v1"

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply(prompt.actions[0], 0.0, 1.0, Usage(1)) for prompt in prompts]


def test_name_fingerprint_and_act_are_enough() -> None:
    model = Least()
    check_members(model)
    assert isinstance(model, LanguageModel)
    assert model.embedding_size == 0
    assert model.history is None and model.tokenizer is None


def test_a_model_that_does_not_draw_has_no_state_and_takes_any() -> None:
    model = Least()
    assert model.state() is None
    for state in (None, {"bit_generator": "PCG64"}):
        model.load_state(state)
    assert model.act([HERE]) == [Reply("left", 0.0, 1.0, Usage(1))]


def test_a_model_without_act_cannot_be_made() -> None:
    class Mute(BaseModel):
        name = fingerprint = "mute"

    with pytest.raises(TypeError, match="act"):
        Mute()  # type: ignore[abstract]


def test_a_wrapper_that_changes_one_member_leaves_the_others() -> None:
    class Renamed(ModelWrapper):
        name = "another name"

    wrapped = Renamed(Least())
    assert wrapped.name == "another name" and wrapped.fingerprint == "least-v1"
    assert wrapped.act([HERE]) == Least().act([HERE])
