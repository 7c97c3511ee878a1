"""Pairs of models that the tests of the oracle share."""

from __future__ import annotations

import pytest

from londi.envs.registry import make_env
from londi.models.pair import ModelPair
from londi.models.registry import load_model
from oracle.ways import Insists, Tree


@pytest.fixture(scope="module")
def pair() -> ModelPair:
    models = load_model("builtin:babyai-quick"), load_model("builtin:babyai-deepthink")
    return ModelPair(*models, lambda: make_env("londi/BabyAIText-MixedTrainLocal-v0"))


@pytest.fixture
def climbers() -> ModelPair:
    return ModelPair(Insists("a"), Insists("b"), Tree)
