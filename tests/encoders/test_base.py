"""Encoders that are a rule, and the network that reads frozen features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from londi.encoders.base import ConfidenceEncoder, FeatureTrunk, NoEncoder, ProgressEncoder
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


@pytest.mark.parametrize(("size", "extras"), [(0, 2), (1, 0), (1, 2), (5, 0), (5, 2)])
def test_a_feature_trunk_reads_features_and_extras(size: int, extras: int) -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(size, extras, 7)
    base = torch.randn(3, size + extras)
    out = trunk(base)
    assert out.shape == (3, 7)
    for k in range(size + extras):
        changed = base.clone()
        changed[:, k] += 1
        assert not torch.equal(trunk(changed), out), f"number {k} is not read"


def test_features_are_normalised_and_extras_are_not() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(5, 2, 7)
    base = torch.randn(3, 7)
    louder = torch.cat([100 * base[:, :5] + 3, base[:, 5:]], 1)
    torch.testing.assert_close(trunk(louder), trunk(base), atol=1e-3, rtol=1e-3)
    louder = torch.cat([base[:, :5], 100 * base[:, 5:] + 3], 1)
    assert not torch.allclose(trunk(louder), trunk(base), atol=1e-1)


def test_a_single_feature_is_not_normalised_away() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(1, 2, 16)
    low, high = trunk(torch.tensor([[0.1, 1, 0], [0.9, 1, 0]]))
    assert not torch.equal(low, high)
