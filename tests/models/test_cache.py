"""Answers that are kept, the file they are kept in, and the stop-watch around a model."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from londi.envs.prompt import Prompt
from londi.errors import LondiError, ModelError
from londi.imitation.demonstrations import Demonstration
from londi.models.base import LanguageModel, unwrap
from londi.models.cache import AnswerStore, CachedModel, CacheStats
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel
from londi.types import Reply, Usage

MakeLM = Callable[..., Seq2SeqModel]


class Counting:
    """A model that remembers what it was asked.

    Attributes:
        batches: the prompts of each call.
    """

    def __init__(self, inner: LanguageModel, fingerprint: str | None = None) -> None:
        self.inner = inner
        self.name = inner.name
        self.batches: list[list[Prompt]] = []
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str | None:
        return self._fingerprint or self.inner.fingerprint

    @property
    def asked(self) -> list[Prompt]:
        return [prompt for batch in self.batches for prompt in batch]

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        self.batches.append(list(prompts))
        return self.inner.act(prompts)


class Scripted:
    """Gives the replies it was made with, in order."""

    name = "scripted"
    fingerprint = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self._replies = iter(replies)

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [next(self._replies) for _ in prompts]


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """Five different states."""
    seen = {p.text(): p for e in demonstrations for p, _ in e.examples(3)}
    return list(seen.values())[:5]


@pytest.fixture
def lm(make_lm: MakeLM) -> Counting:
    return Counting(make_lm())


def assert_same(ours: Sequence[Reply], theirs: Sequence[Reply]) -> None:
    """Equal to the last bit, embedding and usage too."""
    for one, other in zip(ours, theirs, strict=True):
        assert one == other and one.usage == other.usage
        if one.embedding is None or other.embedding is None:
            assert one.embedding is other.embedding
        else:
            assert one.embedding.dtype == other.embedding.dtype == np.float32
            np.testing.assert_array_equal(one.embedding, other.embedding)


def rows_in(file: Path) -> int:
    """Answers that somebody else who opens the file would see."""
    db = sqlite3.connect(file)
    try:
        return int(db.execute("SELECT COUNT(*) FROM answers").fetchone()[0])
    finally:
        db.close()


# One cache.


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
        # The bytes of an embedding may look like the end of a line.
        Reply("x", -1.0, 0.5, Usage(1), np.frombuffer(b"\n\n\n\n\n{}\n", np.float32)),
        Reply("x", -1.0, 0.5, Usage(1), np.array([np.nan, np.inf, -0.0], np.float32)),
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


# The file.


def test_answers_outlast_the_process(lm: Counting, prompts: list[Prompt], tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.sqlite"
    store = AnswerStore(file)
    given = CachedModel(lm, store).act(prompts)
    store.close()

    store = AnswerStore(file)
    assert_same(CachedModel(lm, store).act(prompts), given)
    assert lm.asked == prompts
    assert store.stats == CacheStats(hits=5, misses=0)
    store.close()


def test_nothing_is_written_before_commit(
    lm: Counting, prompts: list[Prompt], tmp_path: Path
) -> None:
    file = tmp_path / "answers.sqlite"
    store = AnswerStore(file)
    cached = CachedModel(lm, store)
    cached.act(prompts[:2])
    assert rows_in(file) == 0
    store.commit()
    assert rows_in(file) == 2
    cached.act(prompts)
    assert rows_in(file) == 2
    store.close()
    assert rows_in(file) == 5


def test_two_open_stores_meet_in_the_file(
    lm: Counting, prompts: list[Prompt], tmp_path: Path
) -> None:
    file = tmp_path / "answers.sqlite"
    one, two = AnswerStore(file), AnswerStore(file)
    given = CachedModel(lm, one).act(prompts)
    CachedModel(lm, two).act(prompts[:2])  # not committed yet, so asked again
    assert lm.asked == [*prompts, *prompts[:2]]
    one.commit()
    assert_same(CachedModel(lm, two).act(prompts[2:]), given[2:])
    assert len(lm.asked) == 7
    two.commit()  # what both have learned is no conflict
    one.close()
    two.close()
    assert rows_in(file) == 5


def test_the_answer_in_the_file_stands(prompts: list[Prompt], tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    early, late = (Reply("x", 0.0, 1.0, Usage(1, 1, seconds)) for seconds in (1.0, 2.0))
    one, two = AnswerStore(file), AnswerStore(file)
    CachedModel(Scripted(early), one).act(prompts[:1])
    CachedModel(Scripted(late), two).act(prompts[:1])
    one.close()
    two.close()
    store = AnswerStore(file)
    assert_same(CachedModel(Scripted(), store).act(prompts[:1]), [early])
    store.close()


def test_a_commit_of_nothing_and_a_second_close_do_no_harm(tmp_path: Path) -> None:
    for store in (AnswerStore(), AnswerStore(tmp_path / "answers.sqlite")):
        store.commit()
        store.close()
        store.commit()
        store.close()


def test_without_a_file_nothing_touches_the_disk(
    lm: Counting, prompts: list[Prompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = AnswerStore()
    CachedModel(lm, store).act(prompts)
    store.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["a directory", "garbage", "below a file"])
def test_an_unusable_file_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    file = tmp_path / "answers.sqlite"
    if what == "a directory":
        file.mkdir()
    else:
        file.write_bytes(b"no database at all\n" * 50)
    if what == "below a file":
        file = file / "answers.sqlite"
    with pytest.raises(LondiError, match="answer cache") as caught:
        AnswerStore(file)
    assert repr(str(file)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    if what == "garbage":
        assert file.read_bytes() == b"no database at all\n" * 50


# The stop-watch.


class Slow:
    """Takes 30 ms a prompt, and says that it was 5 s."""

    name = "slow"
    fingerprint = "slow"

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        time.sleep(0.03 * len(prompts))
        return [Reply("x", 0.0, 1.0, Usage(1, 1, 5.0)) for _ in prompts]


def test_the_stop_watch_adds_up_the_seconds_of_every_call(prompts: list[Prompt]) -> None:
    metered = MeteredModel(Slow())
    assert metered.seconds == 0.0
    start = time.perf_counter()
    assert [reply.action for reply in metered.act(prompts[:2])] == ["x", "x"]
    time.sleep(0.05)  # outside of the model
    metered.act(prompts[:1])
    assert 0.09 <= metered.seconds <= time.perf_counter() - start - 0.05


def test_an_answer_from_the_cache_takes_no_time_and_is_charged_all_the_same(
    prompts: list[Prompt],
) -> None:
    metered = MeteredModel(Slow())
    cached = CachedModel(metered, AnswerStore())
    cached.act(prompts)
    before = metered.seconds
    replies = cached.act(prompts)
    assert metered.seconds - before < 0.03
    assert [reply.usage.seconds for reply in replies] == [5.0] * 5


def test_a_metered_model_answers_as_the_model_itself(lm: Counting, prompts: list[Prompt]) -> None:
    metered = MeteredModel(lm)
    assert metered.name == lm.name and metered.fingerprint == lm.fingerprint
    assert isinstance(metered, LanguageModel)
    ours, theirs = metered.act(prompts), lm.act(prompts)
    assert [(r.action, r.logprob, r.confidence) for r in ours] == [
        (r.action, r.logprob, r.confidence) for r in theirs
    ]


def test_unwrap_finds_the_model_behind_any_wrappers(make_lm: MakeLM) -> None:
    bare = make_lm()
    assert unwrap(bare) is bare
    assert unwrap(MeteredModel(bare)) is bare
    assert unwrap(CachedModel(bare, AnswerStore())) is bare
    assert unwrap(CachedModel(MeteredModel(bare), AnswerStore())) is bare
    assert unwrap(MeteredModel(CachedModel(MeteredModel(bare), AnswerStore()))) is bare
