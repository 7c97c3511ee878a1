"""Answers that are kept: which are asked again, and which are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from londi.envs.generate.prompt import WritingPrompt
from londi.envs.prompt import Chunk, Prompt
from londi.errors import ModelError
from londi.models import cache
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel, CacheStats
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel
from londi.types import Reply, Usage
from models.players import Counting, Scripted, assert_same

MakeLM = Callable[..., Seq2SeqModel]


def test_a_hit_is_the_reply_that_was_given(lm: Counting, prompts: list[Prompt]) -> None:
    given: list[Reply] = []

    class Listening(Counting):
        def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
            replies = super().act(prompts)
            given.extend(replies)
            return replies

    listening = Listening(lm)
    cached = CachedModel(listening, AnswerStore())
    first, second = cached.act(prompts), cached.act(prompts)
    assert len(listening.batches[0]) == 5 and len(given) == 5
    assert_same(first, given)
    assert_same(second, given)
    assert all(r.usage.seconds > 0 and r.usage.flops > 0 and r.embedding is not None for r in given)


@pytest.mark.parametrize(
    "reply",
    [
        Reply('größer\nand "quoted" \x00', -0.1 - 0.2, 1 / 3, Usage(1, 17, 1e-9, 1.5e18)),
        Reply("", 0.0, 1.0, Usage()),
        Reply("x", -1.0, 0.5, Usage(1, 9, 0.5, 1e9, 2.0, 0.25, 3, 4, 5)),
        # The bytes of an embedding may look like the end of a line.
        Reply("x", -1.0, 0.5, Usage(1), np.frombuffer(b"\n\n\n\n\n{}\n", np.float32)),
        Reply("x", -1.0, 0.5, Usage(1), np.array([1e30, -0.0], np.float32)),
        Reply("x", float("-inf"), 0.0, Usage(1)),
    ],
)
def test_odd_replies_are_kept_as_they_are(prompts: list[Prompt], reply: Reply) -> None:
    cached = CachedModel(Scripted(reply), AnswerStore())
    for _ in range(2):
        assert_same(cached.act(prompts[:1]), [reply])


def test_what_is_known_is_not_asked_again(lm: Counting, prompts: list[Prompt]) -> None:
    cached = CachedModel(lm, AnswerStore())
    cached.act(prompts[:3])
    cached.act(prompts)
    cached.act(prompts[::-1])
    assert lm.asked == prompts


def test_a_chunk_is_another_answer_with_other_bounds(lm: Counting) -> None:
    cached = CachedModel(lm, AnswerStore())
    text = WritingPrompt("go on", (), ("a\n",), chunk=Chunk((), 2))
    asked = [
        text,
        replace(text, chunk=Chunk((), 3)),
        replace(text, chunk=Chunk(("\n",), 3)),
        # The same text, which a chat model would read as another message.
        replace(text, goal="go on\na\n", observations=("",)),
    ]
    cached.act([*asked, *asked])
    cached.act(asked)
    assert lm.asked == asked


def test_replies_are_in_the_order_of_the_prompts(lm: Counting, prompts: list[Prompt]) -> None:
    cached = CachedModel(lm, AnswerStore())
    cached.act([prompts[1], prompts[3]])
    mixed = [prompts[k] for k in (4, 3, 0, 1, 3, 2)]
    # The usage of an answer tells how many tokens its prompt had.
    tokens = [reply.usage.tokens for reply in lm.inner.act(mixed)]
    replies = cached.act(mixed)
    assert [reply.usage.tokens for reply in replies] == tokens and len(set(tokens)) > 1
    for reply, prompt in zip(replies, mixed, strict=True):
        assert reply.embedding is not None
        (alone,) = lm.inner.act([prompt])
        np.testing.assert_allclose(reply.embedding, alone.embedding, atol=1e-4)


def test_equal_prompts_of_one_batch_are_asked_once(lm: Counting, prompts: list[Prompt]) -> None:
    cached = CachedModel(lm, AnswerStore())
    one, two = prompts[:2]
    again = Prompt(one.goal, one.actions, one.observations, one.past)
    replies = cached.act([one, two, again, one])
    assert lm.asked == [one, two]
    assert_same([replies[0], replies[0]], replies[2:])


def test_the_experts_advice_makes_no_other_prompt(lm: Counting, prompts: list[Prompt]) -> None:
    cached = CachedModel(lm, AnswerStore())
    p = prompts[0]
    cached.act([p])
    cached.act([Prompt(p.goal, p.actions, p.observations, p.past, "drop")])
    assert lm.asked == [p]


def test_a_batch_of_none_is_answered_with_none(lm: Counting) -> None:
    assert CachedModel(lm, AnswerStore()).act([]) == []
    assert lm.asked == []


def test_the_hit_rate_counts_look_ups(lm: Counting, prompts: list[Prompt]) -> None:
    store = AnswerStore()
    assert store.stats == CacheStats(0, 0) and store.stats.rate == 0.0
    cached = CachedModel(lm, store)
    cached.act(prompts[:3])
    assert store.stats == CacheStats(hits=0, misses=3) and store.stats.rate == 0.0
    cached.act(prompts[:4])
    assert store.stats == CacheStats(hits=3, misses=4)
    assert store.stats.rate == pytest.approx(3 / 7)


@pytest.mark.parametrize("model", [RandomModel(), ExpertModel()])
def test_a_model_without_a_fingerprint_is_refused(model: LanguageModel) -> None:
    for given in (model, MeteredModel(model)):
        with pytest.raises(ModelError, match=f"{model.name!r} is not deterministic") as caught:
            CachedModel(given, AnswerStore())
        assert len(str(caught.value).splitlines()) == 1


def test_two_models_share_no_answers(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    store = AnswerStore()
    one, two = Counting(make_lm(0)), Counting(make_lm(1))
    replies = CachedModel(one, store).act(prompts), CachedModel(two, store).act(prompts)
    assert one.asked == two.asked == prompts
    for ours, theirs in zip(*replies, strict=True):
        assert ours.embedding is not None and theirs.embedding is not None
        assert not np.array_equal(ours.embedding, theirs.embedding)
    assert_same(CachedModel(one, store).act(prompts), replies[0])
    assert_same(CachedModel(two, store).act(prompts), replies[1])
    assert one.asked == two.asked == prompts


def test_two_names_of_one_model_share_their_answers(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    store = AnswerStore()
    first, second = make_lm(), make_lm()
    second.name = "another name"
    counting = Counting(second)
    CachedModel(first, store).act(prompts)
    CachedModel(counting, store).act(prompts)
    assert counting.asked == []


def test_a_cached_model_goes_by_the_name_and_the_fingerprint_of_its_own(lm: Counting) -> None:
    cached = CachedModel(lm, AnswerStore())
    assert cached.name == lm.inner.name
    assert cached.fingerprint == lm.inner.fingerprint
    assert isinstance(cached, LanguageModel)


def test_memory_holds_the_newest_answers_and_the_file_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "KEPT", 10)
    store = AnswerStore(tmp_path / "answers.sqlite")
    for k in range(100):
        store.put(bytes([k]), b"answer %d" % k)
        if k == 50:
            store.commit()
    for k in (*range(100), *range(100)):
        assert store.find([bytes([k])]) == {bytes([k]): b"answer %d" % k}  # committed or not
    assert store.stats == CacheStats(hits=200)
    assert len(store._known) == 10
    store.close()
