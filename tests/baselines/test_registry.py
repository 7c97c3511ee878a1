"""The baselines by name, each at all of its settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from logged_corridor import ENCODER, hard_and_easy
from londi.baselines.context import BaselineContext
from londi.baselines.registry import BASELINES, UNIVERSAL
from londi.baselines.routers import score_network
from londi.config import METHODS
from londi.errors import LondiError
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import LearnedSwitcher
from playthings import UNIVERSAL as TRAINING
from playthings import toy
from switchyards import stand_in


def test_there_is_a_baseline_of_every_name() -> None:
    assert tuple(BASELINES) == METHODS


def a_context(folder: Path) -> BaselineContext:
    universal = LearnedSwitcher(
        score_network(ENCODER, 32), "quick", supported=CostBudgetRange.of(TRAINING)
    )
    return BaselineContext(folder, TRAINING, universal, toy(), 2000, stand_in(folder))


def test_a_model_alone_plays_an_episode_for_every_forty_steps_of_a_log(tmp_path: Path) -> None:
    for rate in (0.0, 1.0):
        log = a_context(tmp_path).alone(rate)
        assert log.begins.sum() == 50
        assert np.all(log.choice == rate)


def test_no_two_settings_of_a_method_are_called_alike(tmp_path: Path) -> None:
    context = a_context(tmp_path)
    methods = [BASELINES[name] for name in METHODS if name not in ("dqn", "ppo")]
    for method in (UNIVERSAL, *methods):
        made = method.candidates(context)
        assert len({candidate.setting for candidate in made}) == len(made) > 5, method.name
        for candidate in made:
            assert TRAINING.cost_range[0] <= candidate.cost <= TRAINING.cost_range[1]
    again = a_context(tmp_path)
    first = BASELINES["step-router"].candidates(context)[3].switcher
    second = BASELINES["step-router"].candidates(again)[3].switcher
    rows, anything = hard_and_easy(), np.ones((2, 2), bool)
    assert np.array_equal(
        first.call_probability(rows, anything), second.call_probability(rows, anything)
    )


def test_a_kept_network_of_other_settings_is_refused_in_one_line(tmp_path: Path) -> None:
    context = a_context(tmp_path)
    context.network("router", lambda: score_network(ENCODER, 32), lambda network: None)
    context.network("router", lambda: score_network(ENCODER, 32), never)
    with pytest.raises(LondiError, match="does not fit") as caught:
        context.network("router", lambda: score_network(ENCODER, 16), never)
    assert len(str(caught.value).splitlines()) == 1


def never(network: object) -> None:
    raise AssertionError("what is kept is not learned again")
