"""Compressed language models, a learned Switcher, and both: what each saves.

    python benchmarks/compression.py EPISODES TURNS RUN [RUN ...]

The runs are trainings that differ in their seed only; their Switchers play as they are, in front of
the compressed models. All play the same held-out episodes, with no cache and one thread. Seconds
are the processor's, inside the models, as a share of those of DEEPTHINK alone in float32: on a busy
machine the wall's tell more of the rest of the machine. Everything is played once a turn; what is
told is the median over the turns.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from arguments import existing, make_parser

from londi import Switcher, TrainConfig
from londi.config import EvaluateConfig
from londi.envs.prompt import Prompt
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, call_rate
from londi.models.base import LanguageModel, ModelWrapper
from londi.models.hf.transformer import TransformerModel
from londi.models.meter import MeteredModel
from londi.models.pair import ModelPair, load_pair
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from londi.types import Reply

PLAIN = "float32"
DTYPES = (PLAIN, "bfloat16", "int8")
MIXED = ((PLAIN, "bfloat16"), (PLAIN, "int8"))
"""Formats of QUICK and DEEPTHINK."""
SETTINGS = EvaluateConfig()


class Clocked(MeteredModel):
    """A language model with a clock of the thread that asks it."""

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        start = time.thread_time()
        replies = self.inner.act(prompts)
        self.seconds += time.thread_time() - start
        return replies


def bare(model: LanguageModel) -> LanguageModel:
    """The model inside all wrappers."""
    while isinstance(model, ModelWrapper):
        model = model.inner
    return model


class Clocks:
    """QUICK and DEEPTHINK in two formats, each with a clock."""

    def __init__(self, config: TrainConfig, quick: str, deepthink: str) -> None:
        formats: dict[str, Any] = {"dtype": quick, "deepthink_dtype": deepthink}
        config = replace(config, **formats, cache="none", threads=1)
        loaded = load_pair(config, SETTINGS.seed)
        self.models = Clocked(bare(loaded.quick)), Clocked(bare(loaded.deepthink))
        self.pair = ModelPair(self.models[0], self.models[1], loaded.make)

    @property
    def seconds(self) -> float:
        """Spent inside the two so far."""
        return sum(model.seconds for model in self.models)


def main(episodes: int, turns: int, runs: list[Path]) -> None:
    """Print the table."""
    config = read_run(runs[0], TrainConfig)
    kinds = [*((dtype, dtype) for dtype in DTYPES), *MIXED]
    clocks = {kind: Clocks(config, *kind) for kind in kinds}
    ends = {"QUICK": ConstantSwitcher(0.0), "DEEPTHINK": ConstantSwitcher(1.0)}
    rows = [(method, kind) for method in ends for kind in kinds if kind not in MIXED]
    rows += [("LONDI", kind) for kind in kinds]
    played: dict[tuple[str, tuple[str, str]], list[list[Episode]]] = {}
    seconds: dict[tuple[str, tuple[str, str]], list[float]] = {row: [] for row in rows}
    with warm():
        for turn in range(turns):
            for method, kind in rows:
                clock, pair = clocks[kind], clocks[kind].pair
                who = (
                    [ends[method]]
                    if method in ends
                    else [Switcher.load(run, pair.quick, pair.deepthink) for run in runs]
                )
                cap = Budget() if method in ends else Budget.of(config)
                spent = clock.seconds
                played[method, kind] = [
                    summary(
                        play(
                            pair,
                            switcher,
                            held_out_seeds(episodes),
                            cost=config.cost,
                            budget=cap,
                            num_envs=SETTINGS.num_envs,
                            seed=SETTINGS.seed,
                        )
                    )
                    for switcher in who
                ]
                seconds[method, kind].append((clock.seconds - spent) / len(who))
            print(f"turn {turn + 1} of {turns}", file=sys.stderr)
    print("| | QUICK | DEEPTHINK | return | calls | seconds | least, most | MB |")
    print("|---|---|---|---|---|---|---|---|")
    plain = seconds["DEEPTHINK", (PLAIN, PLAIN)]
    for method, (small, large) in rows:
        found = played[method, (small, large)]
        shares = [a / b for a, b in zip(seconds[method, (small, large)], plain, strict=True)]
        cells = (
            method,
            small if method != "DEEPTHINK" else "",
            large if method != "QUICK" else "",
            f"{fmean(e.total for episodes in found for e in episodes):.3f}",
            f"{call_rate(found):.3f}",
            f"{median(shares):.2f}",
            f"{min(shares):.2f}, {max(shares):.2f}",
            f"{megabytes(clocks[small, large].pair, method):.2f}",
        )
        print(f"| {' | '.join(cells)} |")
    print(f"\n1.00 is {median(plain):.1f} s, for {episodes} episodes.")


def megabytes(pair: ModelPair, method: str) -> float:
    """Of the weights of the models that a method needs."""
    needed = {"QUICK": [pair.quick], "DEEPTHINK": [pair.deepthink]}
    models: list[LanguageModel] = needed.get(method, [pair.quick, pair.deepthink])
    total = 0
    for model in models:
        inner = bare(model)
        if isinstance(inner, TransformerModel):
            total += sum(weight.nbytes for weight in inner.model.parameters())
    return total / 1e6


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("episodes", type=int)
    given.add_argument("turns", type=int)
    given.add_argument("runs", type=existing, nargs="+")
    main(**vars(given.parse_args()))
