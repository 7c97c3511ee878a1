"""Settings of a training: what follows from what, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from londi.config import TrainConfig
from londi.errors import InvalidConfig, UnknownName


def test_numpy_numbers_are_numbers() -> None:
    config = TrainConfig(
        cost=np.float64(0.01),
        budget=np.int64(3),  # type: ignore[arg-type]
        steps=np.int32(50_000),  # type: ignore[arg-type]
        universal=np.bool_(False),  # type: ignore[arg-type]
        cost_range=tuple(np.array([0.01, 0.1])),
        env_options={"limit": 3},
    )
    assert config == TrainConfig(
        cost=0.01, budget=3, steps=50_000, cost_range=(0.01, 0.1), env_options={"limit": 3}
    )
    kinds = [type(value) for value in (config.cost, config.budget, config.steps, config.universal)]
    assert kinds == [float, int, int, bool]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cost": None}, "cost: expected a number, got nothing"),
        ({"cost": "0.1"}, "cost: expected a number, got '0.1'"),
        ({"steps": 2.5}, "steps: expected a whole number, got 2.5"),
        ({"steps": True}, "steps: expected a whole number, got True"),
        ({"quick": None}, "quick: expected a text, got nothing"),
        ({"env_options": {1: 2}}, "env_options: expected keys with values, got {1: 2}"),
        ({"budget": "many"}, "budget: expected a whole number or 'none', got 'many'"),
        ({"budget": -1}, "budget: expected a whole number >= 0 or none, got -1"),
        ({"cost_range": (0.1,)}, "cost_range: expected a list of 2, got (0.1,)"),
        ({"width": 10**13}, "width: expected a whole number from 1 to 65,536"),
        ({"num_envs": 10**9}, "num_envs: expected a whole number from 1 to 10,000"),
        ({"universal": True, "budget": 21}, "budget: expected at most 20 or none"),
        ({"universal": True, "algorithm": "sac"}, "algorithm: expected universal"),
        ({"algorithm": "universal", "critics": "min"}, "critics: expected mean for a universal"),
    ],
)
def test_what_is_wrong_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        TrainConfig(**values)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_algorithm_is_a_known_one_or_a_module_and_a_name() -> None:
    assert not TrainConfig(algorithm="sac").universal
    assert TrainConfig(algorithm="universal").universal
    assert TrainConfig(algorithm="my.learners:PPO").algorithm == "my.learners:PPO"
    for name in ("sca", "my.learners:", ":PPO", "my learners:PPO"):
        with pytest.raises(UnknownName, match="unknown algorithm"):
            TrainConfig(algorithm=name)


@pytest.mark.parametrize(
    ("values", "warmup"),
    [
        ({}, 4_000),
        ({"steps": 4_001}, 4_000),
        ({"steps": 4_000}, 400),
        ({"steps": 96}, 9),
        ({"steps": 1}, 0),
        ({"steps": 96, "warmup": 32}, 32),
        ({"steps": 96, "warmup": 0}, 0),
    ],
)
def test_the_warmup_follows_a_short_training(values: dict[str, Any], warmup: int) -> None:
    assert TrainConfig(**values).warmup == warmup


def test_a_warmup_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="warmup: expected fewer steps"):
        TrainConfig(steps=96, warmup=96)


@pytest.mark.parametrize(
    ("values", "horizon", "warned"),
    [
        ({"cost": 0.1}, 50, True),  # the paper's c on a score over 100
        ({"cost": 0.02}, 50, False),
        ({"cost": 0.1, "budget": 10}, 50, False),
        ({"cost": 0.1, "budget": 11}, 50, True),
        ({"universal": True, "cost": 0.1}, 50, False),
        ({"universal": True, "cost_range": (0.1, 0.5)}, 50, True),
        ({}, 64, False),
    ],
)
def test_a_price_that_nothing_can_pay_for_is_warned_of(
    values: dict[str, Any], horizon: int, warned: bool
) -> None:
    found = TrainConfig(**values).warnings(horizon, (0.0, 1.0))
    assert len(found) == warned
    for line in found:
        assert line.startswith("cost: ") and len(line.splitlines()) == 1
