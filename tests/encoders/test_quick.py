"""QUICK's own states as features, number by number."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import pytest

from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.registry import make_encoder
from londi.envs.prompt import Prompt
from londi.envs.textworld.prompt import TextWorldPrompt
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.types import Reply, Usage

MakeLM = Callable[..., Seq2SeqModel]


def reply(confidence: float, embedding: list[float] | None = None) -> Reply:
    vector = None if embedding is None else np.array(embedding, np.float32)
    return Reply("go forward", -1.0, confidence, Usage(), vector)


def test_quicks_features_are_its_states_its_odds_and_its_choice() -> None:
    encoder = QuickEncoder(3)
    prompt = Prompt("go", ("left", "right"), ("a wall",))
    replies = [
        Reply("right", -0.1, 0.75, Usage(), np.array([1, 2, 3], np.float32)),
        Reply("jump", -0.1, 0.5, Usage(), np.array([-4, 5, 0], np.float32)),
    ]
    features = encoder.encode([prompt, prompt], replies)
    assert features.dtype == np.float32
    assert features[:, :3].tolist() == [[1, 2, 3], [-4, 5, 0]]
    assert features[:, 3].tolist() == pytest.approx([log(3), 0.0])  # 3 to 1, and even
    assert features[0, 4:12].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert not features[1, 4:].any()  # none of the possible actions, and no past
    assert encoder.size == 3 + 1 + 8 + 2 * 9 and encoder.reads_quick


def test_quicks_features_show_circles() -> None:
    encoder = QuickEncoder(1)
    prompt = Prompt("go", ("left", "right"), ("a wall", "a door", "a wall"), ("left", "right"))
    features = encoder.encode([prompt], [Reply("left", -0.1, 0.5, Usage(), np.zeros(1))])[0]
    before, two_before = features[10:19], features[19:28]
    assert before.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]  # a door then, left by going right
    assert two_before.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]  # the same wall, left by going left
    short = Prompt("go", ("left", "right"), ("a wall", "a wall"), ("left",))
    features = encoder.encode([short], [Reply("left", -0.1, 0.5, Usage(), np.zeros(1))])[0]
    assert features[10:].tolist() == [1, 1, *[0] * 16]


def test_a_choice_beyond_those_with_a_place_has_none() -> None:
    actions = tuple(f"use tool {k}" for k in range(20))
    prompt = Prompt("work", actions, ("a bench",))
    last = Reply(actions[19], -0.1, 0.5, Usage(), np.zeros(2, np.float32))
    assert not QuickEncoder(2).encode([prompt], [last])[0, 3:].any()


def test_a_free_text_is_known_by_its_first_word() -> None:
    def features(action: str) -> list[float]:
        # Eleven observations, of which two before the last have a place.
        seen = tuple(f"room {k}" for k in range(11))
        prompt = Prompt("work", (), seen, ("open door to hall",) * 10)
        rows = QuickEncoder(1).encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.zeros(1))])
        return list(rows[0, 2:].tolist())

    opening, going = features("open door to cellar"), features("go to cellar")
    assert sum(opening[:8]) == sum(going[:8]) == 1 and opening[:8] != going[:8]
    assert features("open fridge")[:8] == opening[:8]
    assert opening[8:] == [0, *opening[:8]] * 2  # what was done before was an opening, too
    assert features(" ")[:8] == [0] * 8


def test_where_the_possible_actions_change_their_places_say_nothing() -> None:
    def features(*actions: str) -> list[float]:
        prompt = TextWorldPrompt("eat", actions, ("a kitchen",) * 2, ("open fridge",))
        reply = Reply("open oven", -0.1, 0.5, Usage(), np.zeros(1))
        return list(QuickEncoder(1).encode([prompt], [reply])[0, 2:].tolist())

    first, last = features("open oven", "take knife"), features("drop knife", "open oven")
    assert first == last and sum(first[:8]) == 1
    assert first[9:17] == first[:8]  # what was done before was an opening, too


def test_the_words_of_a_free_text_are_seen() -> None:
    def words(action: str) -> np.ndarray:
        encoder = QuickWordsEncoder(2)
        prompt = Prompt("work", (), ("a bench",))
        rows = encoder.encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.ones(2))])
        assert rows.shape == (1, encoder.size)
        plain = QuickEncoder(2).encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.ones(2))])
        assert rows[0, :-64].tolist() == plain[0].tolist()
        return rows[0, -64:]

    hall, cellar = words("go to hall"), words("go to cellar")
    assert np.abs(hall).sum() == np.abs(cellar).sum() == 3
    assert 0 < np.abs(hall - cellar).sum() <= 2
    assert (words("to go hall") == hall).all() and not words("").any()


@pytest.mark.parametrize(("sure", "odds"), [(1.0, 9999), (0.99999, 9999), (0.0, 1 / 9999)])
def test_certainty_is_bounded(prompts: list[Prompt], sure: float, odds: float) -> None:
    features = QuickEncoder(1).encode(prompts[:1], [reply(sure, [0])])
    assert features[0, 1] == pytest.approx(log(odds), rel=1e-5)


def test_states_of_another_width_are_refused(prompts: list[Prompt]) -> None:
    with pytest.raises(ValueError):
        QuickEncoder(3).encode(prompts[:1], [reply(0.5, [1, 2])])


def test_quicks_features_of_a_real_model(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    replies = lm.act(prompts)
    features = make_encoder("quick", lm, lm).encode(prompts, replies)
    assert features.shape == (6, 16 + 1 + 8 + 18)  # d_model, the odds, the choice, the past
    for row, made in zip(features, replies, strict=True):
        assert made.embedding is not None
        np.testing.assert_array_equal(row[:16], made.embedding)
        sure = min(made.confidence, 0.9999)
        assert row[16] == pytest.approx(log(sure) - log(1 - sure), abs=1e-4)
    assert len(np.unique(features, axis=0)) == 6
