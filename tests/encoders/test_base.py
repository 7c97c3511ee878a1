"""Encoders that are a rule."""

from __future__ import annotations

import numpy as np

from londi.encoders.base import ConfidenceEncoder, NoEncoder, ProgressEncoder
from londi.envs.prompt import Prompt
from londi.envs.scienceworld.prompt import SciencePrompt
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
