"""The stop-watch around a model, and the look at each of its answers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from londi.envs.prompt import Prompt
from londi.errors import LondiError, ModelError
from londi.models.base import BaseModel, LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.check import PROMPTS
from londi.models.meter import MeteredModel
from londi.models.pair import ModelPair
from londi.types import Reply, Usage
from models.players import Counting, Scripted
from playthings import Corridor, deepthink


class Timed(BaseModel):
    """Takes its own time, and says that it was 5 s a prompt.

    Attributes:
        seconds: what passed between its first line and its last.
    """

    name = "timed"
    fingerprint = "timed"

    def __init__(self) -> None:
        self.seconds = 0.0

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        start = time.perf_counter()
        sum(range(20_000))
        self.seconds += time.perf_counter() - start
        return [Reply("x", 0.0, 1.0, Usage(1, 1, 5.0)) for _ in prompts]


class Fails(BaseModel):
    """Raises what it is given."""

    name = "fails"
    fingerprint = "fails"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        raise self.error


def test_the_stop_watch_adds_up_the_seconds_of_every_call(prompts: list[Prompt]) -> None:
    model = Timed()
    metered = MeteredModel(model)
    assert metered.seconds == 0.0
    around = 0.0
    for part in (prompts[:2], prompts[:1]):
        start = time.perf_counter()
        assert [reply.action for reply in metered.act(part)] == ["x"] * len(part)
        around += time.perf_counter() - start
        sum(range(200_000))  # outside of the model
    assert 0.0 < model.seconds <= metered.seconds <= around


def test_an_answer_from_the_cache_takes_no_time_and_is_charged_all_the_same(
    prompts: list[Prompt],
) -> None:
    metered = MeteredModel(Timed())
    cached = CachedModel(metered, AnswerStore())
    cached.act(prompts)
    before = metered.seconds
    replies = cached.act(prompts)
    assert metered.seconds == before
    assert [reply.usage.seconds for reply in replies] == [5.0] * 5


def test_a_metered_model_answers_as_the_model_itself(lm: Counting, prompts: list[Prompt]) -> None:
    metered = MeteredModel(lm)
    assert metered.name == lm.name and metered.fingerprint == lm.fingerprint
    assert isinstance(metered, LanguageModel)
    ours, theirs = metered.act(prompts), lm.act(prompts)
    assert [(r.action, r.logprob, r.confidence) for r in ours] == [
        (r.action, r.logprob, r.confidence) for r in theirs
    ]


def test_a_batch_of_none_asks_nobody(lm: Counting) -> None:
    metered = MeteredModel(lm)
    assert metered.act([]) == []
    assert lm.batches == [] and metered.seconds == 0.0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("out of\n  memory"), "model 'fails' failed: RuntimeError: out of memory"),
        (KeyError(), "model 'fails' failed: KeyError"),
        (SystemExit(0), "model 'fails' failed: SystemExit: 0"),
    ],
)
def test_what_a_model_raises_is_named_in_one_line(error: BaseException, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        MeteredModel(Fails(error)).act(PROMPTS)
    assert str(caught.value) == said
    assert caught.value.__cause__ is error


def test_an_error_of_londi_goes_through_as_it_is() -> None:
    error = LondiError("the disk is full")
    with pytest.raises(LondiError) as caught:
        MeteredModel(Fails(error)).act(PROMPTS)
    assert caught.value is error


def test_an_interruption_is_no_fault_of_the_model() -> None:
    class Interrupted(Timed):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MeteredModel(Interrupted()).act(PROMPTS)


def test_too_few_answers_are_refused() -> None:
    class Short(Timed):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            return super().act(prompts)[1:]

    with pytest.raises(ModelError, match="expected 3 replies, one a prompt, got 2"):
        MeteredModel(Short()).act(PROMPTS)


def test_a_wrong_reply_ends_a_run_at_the_call() -> None:
    """A6: whatever the model is, nothing is learned or cached from a score of NaN."""
    for fingerprint in ("v1", None):
        model = Scripted(*[Reply("toggle", float("nan"), 0.5, Usage(1))] * len(PROMPTS))
        model.fingerprint = fingerprint  # type: ignore[assignment]
        pair = ModelPair(model, deepthink(), Corridor)
        with pytest.raises(ModelError, match="'scripted': logprob: expected a number, got nan for"):
            pair.quick.act(PROMPTS)


class Untimed(BaseModel):
    """Takes a while, and says nothing of it."""

    name = "untimed"
    fingerprint = "untimed"

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        sum(range(200_000))
        return [Reply("x", 0.0, 1.0, Usage(1)) for _ in prompts]


def test_a_model_that_tells_no_time_is_charged_what_was_measured(prompts: list[Prompt]) -> None:
    metered = MeteredModel(Untimed())
    replies = metered.act(prompts[:4])
    assert sum(reply.usage.seconds for reply in replies) == pytest.approx(metered.seconds)
    assert all(reply.usage.cpu_seconds > 0 for reply in replies)
    # What a model tells stands.
    (told,) = MeteredModel(Timed()).act(prompts[:1])
    assert told.usage.seconds == 5.0 and told.usage.cpu_seconds > 0
