"""What of a prompt a model is shown."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.prompt import Prompt
from londi.models.hf.reader import Reader
from londi.models.hf.seq2seq import Seq2SeqModel


def words(texts: list[str]) -> list[list[int]]:
    """The lengths of words; 0 is the end token."""
    return [[*map(len, text.split()), 0] for text in texts]


def prompt(observations: list[str]) -> Prompt:
    return Prompt("g", (), tuple(observations), ("act",) * (len(observations) - 1))


LENGTHS = [len(words([prompt(["a"] * n).text()])[0]) for n in range(1, 5)]


def test_a_short_prompt_is_shown_whole_up_to_the_history() -> None:
    seen = prompt(["a", "b", "c"])
    assert Reader(words, 3).read([seen]) == words([seen.text()])
    assert Reader(words, 2).read([seen]) == words([seen.recent(2).text()])
    assert Reader(words, 2).read([]) == []


@pytest.mark.parametrize(
    ("room", "kept"), [(LENGTHS[3] - 1, 3), (LENGTHS[2] - 1, 2), (LENGTHS[0], 1)]
)
def test_of_a_long_one_the_oldest_is_dropped_first(room: int, kept: int) -> None:
    seen = prompt(["oldest", "older", "old", "now"])
    reader = Reader(words, 4, room)
    assert reader.read([seen]) == words([seen.recent(kept).text()])
    assert reader.cut == 0


def test_a_state_that_is_too_long_is_cut_and_warned_of_once() -> None:
    reader = Reader(words, 3, 8)
    long = prompt(["now " * 50])
    with pytest.warns(UserWarning, match="a prompt of .* tokens is cut to 8"):
        (ids,) = reader.read([long])
    assert len(ids) == 8
    assert ids[-1] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader.read([long, prompt(["a"]), long])
    assert reader.cut == 4


@given(
    texts=st.lists(st.text("ab ", max_size=60), min_size=1, max_size=6),
    history=st.integers(1, 6),
    room=st.integers(2, 60),
    closing=st.integers(1, 4),
)
@pytest.mark.filterwarnings("ignore:a prompt of")
def test_never_more_tokens_than_there_is_room_for(
    texts: list[str], history: int, room: int, closing: int
) -> None:
    state = prompt(texts)
    (ids,) = Reader(words, history, room, closing).read([state])
    assert len(ids) <= room
    kept = min(closing, len(ids))
    assert ids[-kept:] == words([state.text()])[0][-kept:]


def test_a_model_reads_what_its_reader_shows(make_lm: Callable[..., Seq2SeqModel]) -> None:
    lm = make_lm(max_tokens=12)
    state = Prompt("go", ("turn left", "turn right"), ("You see a red ball 1 step left",))
    with pytest.warns(UserWarning, match="is cut to 12"):
        (reply,) = lm.act([state])
    assert reply.usage.tokens == 12
    assert lm.fingerprint != make_lm().fingerprint
