"""The settings of each verb, as frozen dataclasses, and their YAML form.

This package knows what can be set and what is refused. It does not know what a setting does.
"""

from __future__ import annotations

from londi.config.base import BABYAI_MIX, INF, PairConfig, check
from londi.config.evaluate import EvaluateConfig
from londi.config.finetune import FinetuneConfig
from londi.config.frontier import METHODS, FrontierConfig
from londi.config.limit import LimitConfig
from londi.config.ope import OpeConfig
from londi.config.sweep import SweepConfig
from londi.config.train import TrainConfig
from londi.config.tune import TuneConfig

__all__ = [
    "BABYAI_MIX",
    "INF",
    "METHODS",
    "EvaluateConfig",
    "FinetuneConfig",
    "FrontierConfig",
    "LimitConfig",
    "OpeConfig",
    "PairConfig",
    "SweepConfig",
    "TrainConfig",
    "TuneConfig",
    "check",
]
