"""How long the Switcher's decision takes, as a share of one QUICK call, at batch 1 and 32.

    python benchmarks/decision.py RUN

RUN is the folder of a training. Both are timed in turn, on the same prompts, in one process;
what is printed is the median over the turns. The prompts are of held-out episodes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np

from londi import Switcher, TrainConfig
from londi.encoders.registry import make_encoder
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.seeds import held_out_seeds
from londi.models.pair import load_pair
from londi.storage.runs import read_run
from londi.switching.observation import CONTEXT, COST

TURNS = 50


def first_prompts(make: Callable[[], gym.Env[str, str]], count: int) -> list[Prompt]:
    """The first prompts of `count` held-out episodes."""
    episode = TextEpisode(make())
    prompts = []
    for seed in held_out_seeds(count):
        episode.start(seed)
        prompts.append(episode.prompt())
    episode.close()
    return prompts


def main(folder: Path) -> None:
    config = read_run(folder, TrainConfig)
    pair = load_pair(replace(config, cache="none"), seed=0)
    switcher = Switcher.load(folder, pair.quick, pair.deepthink)
    encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
    rng = np.random.default_rng(0)
    for batch in (1, 32):
        prompts = first_prompts(pair.make, batch)
        replies = pair.quick.act(prompts)
        allowed = np.ones((batch, 2), bool)
        context = np.zeros((batch, CONTEXT), np.float32)
        context[:, COST] = config.cost
        quick, decision = [], []
        for _ in range(TURNS):
            start = time.perf_counter()
            pair.quick.act(prompts)
            middle = time.perf_counter()
            features = encoder.encode(prompts, replies if encoder.reads_quick else [])
            switcher.decide(np.concatenate([features, context], 1), allowed, rng)
            end = time.perf_counter()
            quick.append(middle - start)
            decision.append(end - middle)
        ratio = statistics.median(d / q for d, q in zip(decision, quick, strict=True))
        print(
            f"batch {batch:>2}: QUICK {1e6 * statistics.median(quick) / batch:7.0f} us an item,"
            f" decision {1e6 * statistics.median(decision) / batch:6.0f} us an item,"
            f" {ratio:.1%} of it"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
