"""Learn when to call the large language model: LONDI (arXiv 2402.12061)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import londi.envs  # noqa: F401  registers the environments with Gymnasium

if TYPE_CHECKING:
    from londi.budget import Budget
    from londi.config import EvaluateConfig, TrainConfig
    from londi.envs import make_env
    from londi.errors import LondiError
    from londi.models import load_model
    from londi.switcher import Switcher
    from londi.switching import SwitchingVectorEnv
    from londi.train import train

_HOMES = {
    "Budget": "budget",
    "EvaluateConfig": "config",
    "LondiError": "errors",
    "Switcher": "switcher",
    "SwitchingVectorEnv": "switching",
    "TrainConfig": "config",
    "load_model": "models",
    "make_env": "envs",
    "train": "train",
}
"""Where each public name lives; loaded when first asked for, since torch takes seconds."""

__all__ = [
    "Budget",
    "EvaluateConfig",
    "LondiError",
    "Switcher",
    "SwitchingVectorEnv",
    "TrainConfig",
    "load_model",
    "make_env",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
