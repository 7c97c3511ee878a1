"""Learn when to call the large language model: LONDI (arXiv 2402.12061)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import londi.envs.registry  # noqa: F401  registers the environments with Gymnasium
from londi.errors import extras_named

if TYPE_CHECKING:
    from londi.config import EvaluateConfig, TrainConfig
    from londi.envs.checker import check_env
    from londi.envs.registry import make_env
    from londi.errors import LondiError
    from londi.evaluation.evaluate import evaluate
    from londi.learning.trainer import train
    from londi.models.check import check_model
    from londi.models.registry import load_model
    from londi.serve.client import async_http_client, http_client
    from londi.serve.steps import StepRouter
    from londi.switching.budget import Budget
    from londi.switching.env import SwitchingVectorEnv
    from londi.switching.switcher import Switcher

_HOMES = {
    "Budget": "switching.budget",
    "EvaluateConfig": "config",
    "LondiError": "errors",
    "StepRouter": "serve.steps",
    "Switcher": "switching.switcher",
    "SwitchingVectorEnv": "switching.env",
    "TrainConfig": "config",
    "async_http_client": "serve.client",
    "check_env": "envs.checker",
    "check_model": "models.check",
    "evaluate": "evaluation.evaluate",
    "http_client": "serve.client",
    "load_model": "models.registry",
    "make_env": "envs.registry",
    "train": "learning.trainer",
}
"""Where each public name lives; loaded when first asked for, since torch takes seconds."""

__all__ = [
    "Budget",
    "EvaluateConfig",
    "LondiError",
    "StepRouter",
    "Switcher",
    "SwitchingVectorEnv",
    "TrainConfig",
    "async_http_client",
    "check_env",
    "check_model",
    "evaluate",
    "http_client",
    "load_model",
    "make_env",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extras_named():
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
