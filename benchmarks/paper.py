"""The paper's claim beside what was played: the table of docs/experiments.md.

    python benchmarks/paper.py EVALUATION ...

Each EVALUATION is a folder of `londi evaluate`, of one run or of several seeds together. Intervals
are 95%, bootstrapped over training seeds and episodes, the same episodes for both sides; shares are
drawn with the same seeds on both sides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from londi.evaluation.evaluate import STEPS, read_results
from londi.evaluation.metrics import RESAMPLES, Floats, bootstrap_difference
from londi.evaluation.results import Result


def tracks(folder: Path, seeds: tuple[int, ...]) -> dict[str, Floats]:
    """`[3, runs, episodes]` by method: return, processor seconds in the models, DEEPTHINK calls."""
    homes = [folder / f"seed-{seed}" for seed in seeds] if len(seeds) > 1 else [folder]
    runs: dict[str, list[Floats]] = {}
    for home in homes:
        found: dict[str, dict[int, Floats]] = {}
        with (home / STEPS).open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                used = row["quick"]["cpu_seconds"] + row["deepthink"]["cpu_seconds"]
                step = np.array([row["reward"], used, row["choice"]], float)
                episodes = found.setdefault(row["method"], {})
                episodes[row["episode"]] = episodes.get(row["episode"], 0.0) + step
        for method, episodes in found.items():
            runs.setdefault(method, []).append(np.array([episodes[k] for k in sorted(episodes)]))
    return {method: np.array(of_runs).transpose(2, 0, 1) for method, of_runs in runs.items()}


def saved(one: Floats, other: Floats, seed: int = 0) -> tuple[float, float, float]:
    """1 - the mean of `one` over that of `other`, `[runs, episodes]` each, and its interval."""
    rng = np.random.default_rng(seed)
    runs, episodes = one.shape
    shares = []
    for _ in range(RESAMPLES):
        run, episode = rng.integers(runs, size=runs), rng.integers(episodes, size=episodes)
        shares.append(1 - one[run][:, episode].mean() / other[run][:, episode].mean())
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(1 - one.mean() / other.mean()), float(low), float(high)


def line(name: str, cells: Iterable[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def share(figures: tuple[float, float, float]) -> str:
    value, low, high = figures
    return f"{value:.0%} ({low:.0%} .. {high:.0%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="EVALUATION")
    folders: list[Path] = parser.parse_args().folders
    figures: list[dict[str, Result]] = [
        {result.method: result for result in read_results(folder)} for folder in folders
    ]
    for folder, found in zip(folders, figures, strict=True):
        if not found["londi"].lm_cpu_seconds:
            raise SystemExit(f"{folder}: no processor seconds were counted there")
    played = [
        tracks(folder, found["londi"].seed) for folder, found in zip(folders, figures, strict=True)
    ]
    heads = ["the paper", *(found["londi"].env for found in figures)]
    print(line("", heads))
    print("|---" * (len(heads) + 1) + "|")
    for method in ("quick", "deepthink", "random", "threshold", "londi"):
        cells = [
            f"{found[method].return_mean:.3f}; {1000 * (found[method].lm_cpu_seconds or 0):.1f} ms"
            for found in figures
        ]
        print(line(f"{method}: return; ms inside the models an episode", ["", *cells]))
    differences = []
    for track in played:
        ours, always = track["londi"][0], track["deepthink"][0]
        low, high = bootstrap_difference(ours, always)
        differences.append(f"{ours.mean() - always.mean():+.3f} ({low:+.3f} .. {high:+.3f})")
    print(line("return, LONDI less DEEPTHINK", ["DEEPTHINK-level", *differences]))
    for name, k in (("seconds inside the models saved", 1), ("DEEPTHINK calls saved", 2)):
        cells = [share(saved(track["londi"][k], track["deepthink"][k])) for track in played]
        print(line(name, ["up to 30% of the GPU usage" if k == 1 else "", *cells]))


if __name__ == "__main__":
    main()
