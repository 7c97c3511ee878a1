"""CPU time of the built-in models with torch and with ONNX Runtime, at several batch sizes.

    python benchmarks/inference.py [--episodes N] [--turns N]

Both read the same prompts, of held-out episodes that DEEPTHINK plays. They are timed in turn in one
process with one thread; the table holds the medians of the turns in milliseconds a prompt,
tokenizing included, and the ratio. Below it stands the limit: the operations of a call over the
rate at which one core multiplies matrices.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from londi.config import PairConfig
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.envs.seeds import held_out_seeds
from londi.models.base import LanguageModel
from londi.models.registry import load_model

ENVS = ("londi/BabyAIText-MixedTrainLocal-v0", "londi/ScienceWorld-short-v0")
BATCHES = (1, 8, 16, 32)
BACKENDS = ("torch", "onnx")
SECONDS = 0.1
"""Least CPU time of one measurement."""


def prompts_of(env: str, player: LanguageModel, episodes: int) -> list[Prompt]:
    """The prompts of held-out episodes, shuffled, as `player` comes to them."""
    episode = TextEpisode(make_env(env))
    prompts = []
    for seed in held_out_seeds(episodes):
        episode.start(seed)
        ended = False
        while not ended:
            prompts.append(episode.prompt())
            step = episode.step(player.act([prompts[-1]])[0].action)
            ended = step.terminated or step.truncated
    episode.close()
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(0))
    return [prompts[i] for i in order.tolist()]


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call, over as many as make up `SECONDS`."""
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SECONDS:
        call()
        calls += 1
    return spent / calls


def play(model: LanguageModel, parts: Sequence[Sequence[Prompt]]) -> None:
    """Ask `model` one batch after the other."""
    for part in parts:
        model.act(part)


def matrix_rate() -> float:
    """Floating-point operations a second of one core in a product of large matrices."""
    a = torch.randn(1024, 1024)
    seconds = min(cpu_seconds(lambda: a @ a) for _ in range(5))
    return 2 * 1024**3 / seconds


def table(name: str, prompts: Sequence[Prompt], turns: int, rate: float) -> None:
    models = {backend: load_model(name, backend=backend) for backend in BACKENDS}
    for batch in BATCHES:
        parts = [prompts[i : i + batch] for i in range(0, len(prompts) - batch + 1, batch)]
        taken: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
        for _ in range(turns):
            for backend, model in models.items():
                every = cpu_seconds(partial(play, model, parts))
                taken[backend].append(1e3 * every / (batch * len(parts)))
        before, now = (statistics.median(taken[backend]) for backend in BACKENDS)
        ratio = statistics.median(b / n for b, n in zip(*taken.values(), strict=True))
        flops = sum(reply.usage.flops for part in parts for reply in models["onnx"].act(part))
        limit = 1e3 * flops / (batch * len(parts)) / rate
        print(
            f"| {name} | {batch} | {before:.3f} | {now:.3f} | {ratio:.1f} | {limit:.3f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--env", nargs="+", default=ENVS, choices=ENVS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rate = matrix_rate()
    print(f"one core multiplies matrices at {rate / 1e9:.0f} GFLOP/s\n")
    print("| model | batch | torch, ms a prompt | ONNX Runtime | ratio | FLOPs over that rate |")
    print("|---|---|---|---|---|---|")
    for env in given.env:
        pair = PairConfig(env=env)
        prompts = prompts_of(env, load_model(pair.deepthink), given.episodes)
        for name in (pair.quick, pair.deepthink):
            table(name, prompts, given.turns, rate)


if __name__ == "__main__":
    main()
