"""Settings that several verbs share: type and range checks, the models and the environment.

This file knows no environment, no model and no training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal
from urllib.parse import urlsplit

from londi.config.addresses import check_cache
from londi.config.kinds import conform
from londi.errors import InvalidConfig, UnknownName
from londi.types import Values

BABYAI_MIX = "londi/BabyAIText-MixedTrainLocal-v0"

INF = float("inf")

ABSURD = 1000
"""From here on an upper bound is there to refuse slips of the keyboard."""
MOST_EPISODES = 1_000_000
"""Bound of a number of episodes: those of one purpose have so many seeds (`londi.envs.seeds`)."""
MOST_STEPS = 1_000_000
"""Bound of a number of logged environment steps, for the same reason."""
MOST_ENVS = 10_000
"""Bound of the environments that are played side by side."""
MOST_SEED = 2**32 - 1
"""Bound of a seed that only draws random numbers."""

AUTO = "auto"
"""Name of a model that the environment decides."""

_SPEC = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

_PAIRS = {
    "londi/BabyAIText-": ("builtin:babyai-quick", "builtin:babyai-deepthink"),
    "londi/ScienceWorld-": ("builtin:scienceworld-quick", "builtin:scienceworld-deepthink"),
    "londi/TextWorld-cooking-easy-": ("builtin:textworld-quick", "builtin:textworld-deepthink"),
}
"""The built-in models of each family of environments, by the beginning of its names."""


@dataclass(frozen=True)
class Settings:
    """Base of all configurations: each field has a value of its own type."""

    def __post_init__(self) -> None:
        conform(self)


def check(config: object, **ranges: tuple[float, float]) -> None:
    """Raise InvalidConfig unless each named field of `config` is a number in its closed range."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not (isfinite(value) and low <= value <= high):
            # A high bound only keeps out what is absurd: who is below it need not read of it.
            below = high == INF or (high >= ABSURD and value < low)
            wanted = f">= {low:,}" if below else f"from {low:,} to {high:,}"
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise InvalidConfig(f"{name}: expected {kind} {wanted}, got {value!r}")


def check_budget(budget: object) -> None:
    """Raise InvalidConfig unless it is a whole number of calls, or "none"."""
    if budget != "none" and not (type(budget) is int and budget >= 0):
        raise InvalidConfig(f"budget: expected a whole number >= 0 or none, got {budget!r}")


def is_spec(text: str) -> bool:
    """Whether `text` has the form `package.module:attribute`; a path or a hub name has not.

    A prefix of londi's own, such as ``builtin:``, has the same form: ask for those first.
    """
    return _SPEC.fullmatch(text) is not None


def is_http(url: str) -> bool:
    """Whether `url` is an address of HTTP with a host."""
    address = urlsplit(url)
    return address.scheme in ("http", "https") and bool(address.hostname)


def check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    """Raise UnknownName unless `name` is a known one, or has the form ``module:name``."""
    if name not in known and not is_spec(name):
        raise UnknownName(kind, name, known)


def builtin_pair(env: str) -> tuple[str, str] | None:
    """The built-in QUICK and DEEPTHINK for an environment, by name; None if there are none."""
    for family, pair in _PAIRS.items():
        if env.startswith(family):
            return pair
    return None


@dataclass(frozen=True)
class PairConfig(Settings):
    """The environment, the two language models, and how they are run."""

    env: str = BABYAI_MIX
    """Text environment, by its Gymnasium name or `module:name`; `londi envs` lists those that come
    with londi."""
    env_options: Values = field(default_factory=dict)
    """Options of the environment, such as `{limit: 50}` or, for ScienceWorld,
    `{tasks: [boil, melt], simplifications: easy}`."""
    quick: str = AUTO
    """QUICK, the small and cheap language model: a Hugging Face model by name or path,
    `builtin:<name>` (`londi models` lists them), `openai:<model>@<base_url>` (behind an API),
    `gguf:<file>`, `smollm2`, `random`, `expert` or `module:name`. `auto` is the built-in model for
    the environment."""
    deepthink: str = AUTO
    """DEEPTHINK, the large and expensive language model; named like QUICK."""
    choose: Literal["score", "generate"] = "score"
    """How a language model picks an action: `score` takes the likeliest of the possible actions,
    `generate` lets the model write one."""
    device: str = "cpu"
    """Device of the language models: cpu, cuda, cuda:1 and so on. With `cuda` each worker, and each
    job of a sweep, has one of the GPUs, in turns; `auto` spreads a model over all of them
    (`pip install 'londi[gpu]'`)."""
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = "float32"
    """Number format of the language models; `int8` quantizes the weights and inputs of linear
    layers and runs on a CPU only."""
    deepthink_dtype: Literal["same", "float32", "bfloat16", "float16", "int8"] = "same"
    """Number format of DEEPTHINK, if it differs from `dtype`."""
    backend: Literal["auto", "onnx", "torch"] = "auto"
    """Library that runs the language models: `onnx` is ONNX Runtime, several times faster on a CPU
    and for float32 only; `auto` takes it where it can run the model, and `torch` elsewhere."""
    threads: int = 1
    """CPU threads for the language models, and as many again for training the Switcher, which runs
    at the same time; 0 leaves the choice to torch. One is fastest for the small built-in models."""
    lm_batch_size: int = 64
    """Largest number of prompts in one forward pass of a language model."""
    cache: str = "~/.cache/londi/answers.sqlite"
    """File in which answers of the language models are cached, shared by all runs; for several
    machines `redis://HOST:PORT/NUMBER` or `postgresql://USER@HOST:PORT/DATABASE`, whose password
    the environment variable `LONDI_CACHE_PASSWORD` holds. `memory` caches them for this run only,
    `none` asks the models every time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, threads=(0, 1024), lm_batch_size=(1, INF))
        check_cache(self.cache)
        for place, name in enumerate(("quick", "deepthink")):
            pair = builtin_pair(self.env)
            if getattr(self, name) == AUTO and pair:
                object.__setattr__(self, name, pair[place])

    def check_models(self) -> None:
        """Raise InvalidConfig if a model is still to be named.

        It is not checked before: who trains with model objects of their own needs no names.
        """
        for name in ("quick", "deepthink"):
            if getattr(self, name) == AUTO:
                raise InvalidConfig(
                    f"{name}: no built-in models play {self.env!r}; name them with --quick and"
                    " --deepthink"
                )
