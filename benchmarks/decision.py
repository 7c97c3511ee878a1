"""CPU time of the Switcher's decision as a share of one QUICK call, at batch 1 and 32.

    python benchmarks/decision.py RUN

RUN is the folder of a training. Its Switcher decides on torch and, exported, on ONNX Runtime. All
are timed in turn, on the same prompts, in one process; the medians over the turns are printed. The
prompts are of held-out episodes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
from arguments import existing, make_parser

from londi import Switcher, TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.seeds import held_out_seeds
from londi.evaluation.export import export
from londi.models.pair import load_pair
from londi.storage.runs import read_run
from londi.switching.observation import CONTEXT, COST
from londi.types import Reply

TURNS = 21
CALLS = 50
"""Calls in a turn."""


def first_prompts(make: Callable[[], gym.Env[str, str]], count: int) -> list[Prompt]:
    """The first prompts of `count` held-out episodes."""
    episode = TextEpisode(make())
    prompts = []
    for seed in held_out_seeds(count):
        episode.start(seed)
        prompts.append(episode.prompt())
    episode.close()
    return prompts


def decide(
    switcher: Switcher,
    encoder: Encoder,
    prompts: Sequence[Prompt],
    replies: Sequence[Reply],
    cost: float,
    rng: np.random.Generator,
) -> None:
    """Make the observations, and decide."""
    context = np.zeros((len(prompts), CONTEXT), np.float32)
    context[:, COST] = cost
    observation = np.concatenate([encoder.encode(prompts, replies), context], 1)
    switcher.decide(observation, np.ones((len(prompts), 2), bool), rng)


def main(folder: Path) -> None:
    config = read_run(folder, TrainConfig)
    pair = load_pair(replace(config, cache="none"), seed=0)
    with TemporaryDirectory() as place:
        file = Path(place) / "switcher.onnx"
        export(folder, file, pair=pair)
        switchers = {
            "torch": Switcher.load(folder, pair.quick, pair.deepthink),
            "ONNX Runtime": Switcher.load(file),
        }
    encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
    for batch in (1, 32):
        prompts = first_prompts(pair.make, batch)
        replies = pair.quick.act(prompts) if encoder.reads_quick else []
        calls = {"QUICK": partial(pair.quick.act, prompts)} | {
            f"decision on {name}": partial(
                decide, who, encoder, prompts, replies, config.cost, np.random.default_rng(0)
            )
            for name, who in switchers.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(TURNS):
            for name, call in calls.items():
                start = time.process_time()
                for _ in range(CALLS):
                    call()
                taken[name].append((time.process_time() - start) / CALLS)
        for name, seconds in taken.items():
            share = statistics.median(s / q for s, q in zip(seconds, taken["QUICK"], strict=True))
            each = 1e6 * statistics.median(seconds) / batch
            print(f"batch {batch:>2}: {name:24} {each:6.1f} us an item, {share:.1%} of QUICK")


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("run", type=existing)
    main(given.parse_args().run)
