"""CPU time of the built-in models with torch and with ONNX Runtime, at several batch sizes.

    python benchmarks/inference.py [--before CHECKOUT] [--lists] [--episodes N] [--turns N]

Each backend runs in a process of its own with one thread, and so does the code of another checkout,
if one is given. All read the same prompts, of held-out episodes that DEEPTHINK plays, and are timed
in turn. The table holds the medians of the turns in milliseconds a prompt, tokenizing included, and
the ratio of each backend to ONNX Runtime. The last column is the limit: the operations of a call
over the rate at which one core multiplies matrices. With `--lists` each prompt has actions of its
own, as in TextWorld.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

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
COMMANDS = tuple(
    f"{verb} {thing}"
    for verb in ("take", "drop", "eat", "open", "cook", "examine")
    for thing in ("red apple", "knife", "wooden door", "onion with stove", "carrot from fridge")
)
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


def own_lists(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts, each with 5 to 20 commands of its own."""
    draw = random.Random(0)
    return [
        replace(prompt, actions=tuple(draw.sample(COMMANDS, draw.randint(5, 20))))
        for prompt in prompts
    ]


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


def batches(prompts: Sequence[Prompt], size: int) -> list[Sequence[Prompt]]:
    """The prompts in full batches."""
    return [prompts[i : i + size] for i in range(0, len(prompts) - size + 1, size)]


class Worker:
    """A process that times one model of one checkout with one backend.

    Args:
        name: the model.
        backend: of the models; empty for a checkout that has no such setting.
        prompts: what is asked.
        source: the `src` of the checkout.
    """

    def __init__(self, name: str, backend: str, prompts: Sequence[Prompt], source: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            env=os.environ | {"PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._send((name, backend, list(prompts)))

    def milliseconds(self, size: int) -> float:
        """CPU milliseconds a prompt, in batches of that size."""
        self._send(size)
        assert self._process.stdout
        return float(pickle.load(self._process.stdout))

    def close(self) -> None:
        self._process.communicate()

    def _send(self, message: object) -> None:
        assert self._process.stdin
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()


def work() -> None:
    """The other end of `Worker`."""
    torch.set_num_threads(1)
    name, backend, prompts = pickle.load(sys.stdin.buffer)
    model = load_model(name, **({"backend": backend} if backend else {}))
    while True:
        try:
            size = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        parts = batches(prompts, size)
        found = 1e3 * cpu_seconds(partial(play, model, parts)) / (size * len(parts))
        sys.stdout.buffer.write(pickle.dumps(found))
        sys.stdout.buffer.flush()


def table(name: str, prompts: Sequence[Prompt], given: argparse.Namespace, rate: float) -> None:
    here = Path(__file__).resolve().parents[1] / "src"
    workers: dict[str, Worker] = {}
    if given.before:
        source = Path(given.before) / "src"
        workers["before"] = Worker(name, given.before_backend, prompts, source)
    workers |= {backend: Worker(name, backend, prompts, here) for backend in ("torch", "onnx")}
    model = load_model(name)
    for size in given.batches:
        taken: dict[str, list[float]] = {backend: [] for backend in workers}
        for _ in range(given.turns):
            for backend, worker in workers.items():
                taken[backend].append(worker.milliseconds(size))
        medians = [statistics.median(values) for values in taken.values()]
        ratios = [
            statistics.median(old / new for old, new in zip(values, taken["onnx"], strict=True))
            for values in list(taken.values())[:-1]
        ]
        parts = batches(prompts, size)
        flops = sum(reply.usage.flops for part in parts for reply in model.act(part))
        limit = 1e3 * flops / (size * len(parts)) / rate
        cells = [f"{x:.3f}" for x in medians] + [f"{x:.1f}" for x in ratios] + [f"{limit:.3f}"]
        print(f"| {name} | {size} | {' | '.join(cells)} |", flush=True)
    for worker in workers.values():
        worker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--env", nargs="+", default=ENVS, choices=ENVS)
    parser.add_argument("--models", nargs="+", default=[], help="in place of the built-in pairs")
    parser.add_argument(
        "--before", default="", metavar="DIR", help="another checkout, with its default backend"
    )
    parser.add_argument(
        "--before-backend",
        default="",
        metavar="NAME",
        help="backend of that checkout; by default none is named, since an old one has no choice",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--lists", action="store_true", help="give each prompt its own actions")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work()
        return
    torch.set_num_threads(1)
    rate = matrix_rate()
    print(f"one core multiplies matrices at {rate / 1e9:.0f} GFLOP/s\n")
    columns = (["before"] if given.before else []) + ["torch"]
    heads = [f"{name}, ms a prompt" for name in columns] + ["ONNX Runtime"]
    heads += [f"{name} / ONNX" for name in columns] + ["FLOPs over that rate"]
    print(f"| model | batch | {' | '.join(heads)} |")
    print("|---" * (len(heads) + 2) + "|")
    for env in given.env:
        pair = PairConfig(env=env)
        prompts = prompts_of(env, load_model(pair.deepthink), given.episodes)
        if given.lists:
            prompts = own_lists(prompts)
        for name in given.models or (pair.quick, pair.deepthink):
            table(name, prompts, given, rate)


if __name__ == "__main__":
    main()
