"""Encoders that are a rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from londi.encoders.base import ConfidenceEncoder, Encoder, NoEncoder, ProgressEncoder
from londi.envs.prompt import Prompt
from londi.envs.scienceworld.prompt import SciencePrompt
from londi.errors import ModelError
from londi.types import Reply, Usage


def reply(confidence: float) -> Reply:
    return Reply("go forward", -1.0, confidence, Usage())


def test_a_switcher_that_does_not_look_sees_nothing(prompts: list[Prompt]) -> None:
    encoder = NoEncoder()
    assert encoder.encode(prompts, []).shape == (6, 0) and encoder.size == 0
    assert not encoder.reads_quick


def test_the_confidence_is_quicks_own(prompts: list[Prompt]) -> None:
    encoder = ConfidenceEncoder()
    features = encoder.encode(prompts[:3], [reply(0.25), reply(1.0), reply(0.5)])
    assert features.dtype == np.float32
    assert features.tolist() == [[0.25], [1.0], [0.5]]
    assert encoder.size == 1 and encoder.reads_quick


def test_progress_is_the_last_gain_of_a_score() -> None:
    plain = Prompt("goal", (), ("a", "b"), ("do",))
    science = SciencePrompt("goal", (), ("a", "b", "c"), ("do", "go"), gains=(7, 3))
    start = SciencePrompt("goal", (), ("a",))
    assert ProgressEncoder().encode([plain, science, start], []).tolist() == [[0], [3], [0]]


class Own(Encoder):
    """A user's encoder that makes what it is told to."""

    size, spec = 2, "mine:Own"

    def __init__(self, made: object) -> None:
        self._made = made

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        if isinstance(self._made, BaseException):
            raise self._made
        return np.array(self._made)


def test_features_of_any_number_type_are_taken(prompts: list[Prompt]) -> None:
    rows = Own([[1, 2], [3, 4]]).checked_encode(prompts[:2], [])
    assert rows.dtype == np.float32 and rows.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (RuntimeError("no\nwords"), "encoder 'mine:Own' failed: RuntimeError: no words"),
        (SystemExit(0), "encoder 'mine:Own' failed: SystemExit: 0"),
        ([["a", "b"]], "encoder 'mine:Own' failed: ValueError: could not convert"),
        ([[1.0, 2.0, 3.0]], "encoder 'mine:Own': expected features (1, 2), got (1, 3)"),
        ([[1.0, float("nan")]], "encoder 'mine:Own': expected finite features, got nan"),
    ],
)
def test_an_encoder_that_fails_is_named_in_one_line(
    prompts: list[Prompt], made: object, said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        Own(made).checked_encode(prompts[:1], [])
    assert str(caught.value).startswith(said)
    assert len(str(caught.value).splitlines()) == 1
