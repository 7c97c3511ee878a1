"""What the settings of several verbs share: range checks, and the models and the environment.

This file knows no environment, no model and no training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from londi.errors import InvalidConfig

BABYAI_MIX = "londi/BabyAIText-MixedTrainLocal-v0"


def check(config: Any, **ranges: tuple[float, float]) -> None:
    """Raise InvalidConfig unless each named field of `config` is a number in its closed range."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not (isfinite(value) and low <= value <= high):
            wanted = f">= {low:,}" if high == float("inf") else f"from {low:,} to {high:,}"
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise InvalidConfig(f"{name}: expected {kind} {wanted}, got {value!r}")


def check_budget(budget: object) -> None:
    """Raise InvalidConfig unless it is a whole number of calls, or "none"."""
    if budget != "none" and not (type(budget) is int and budget >= 0):
        raise InvalidConfig(f"budget: expected a whole number >= 0 or none, got {budget!r}")


INF = float("inf")


@dataclass(frozen=True)
class PairConfig:
    """Which environment, which two language models, and how they are run."""

    env: str = BABYAI_MIX
    """Text environment by its Gymnasium name; `londi envs` lists londi's own."""
    env_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment, such as `{limit: 50}` or, for ScienceWorld,
    `{tasks: [boil, melt], simplifications: easy}`."""
    quick: str = "builtin:babyai-quick"
    """QUICK: `random`, `expert`, `builtin:<name>`, or a Hugging Face model by name or
    path; `londi models` lists what ships."""
    deepthink: str = "builtin:babyai-deepthink"
    """DEEPTHINK, named in the same way."""
    choose: Literal["score", "generate"] = "score"
    """How a language model names an action: by scoring the possible ones, or by generating."""
    device: str = "cpu"
    """Where the language models run, such as cpu, cuda or cuda:1; `auto` spreads them over the GPUs
    that there are (`pip install 'londi[gpu]'`)."""
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = "float32"
    """Number format of the language models' weights and arithmetic; `int8` rounds the weights of
    linear layers, and what they are given, on a CPU only."""
    deepthink_dtype: Literal["same", "float32", "bfloat16", "float16", "int8"] = "same"
    """DEEPTHINK's own number format; `same` is that of `dtype`."""
    threads: int = 1
    """CPU threads of the models, and again of the Switcher's training, which goes on while they
    answer; 0 leaves torch's choice. For models as small as the built-in ones one is quickest."""
    lm_batch_size: int = 64
    """Most prompts in one forward pass of a language model."""
    cache: str = "~/.cache/londi/answers.sqlite"
    """File of language-model answers, shared by all runs; `memory` keeps them for this run only,
    and `none` asks the models every time."""

    def __post_init__(self) -> None:
        check(self, threads=(0, INF), lm_batch_size=(1, INF))
