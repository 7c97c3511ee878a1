"""Return and call rate as rooms grow and multiply, and as missions get longer.

    londi frontier RUN ... --out DIR
    python benchmarks/levels.py DIR [EPISODES]

QUICK, DEEPTHINK and the universal Switchers of the comparison in DIR play BabyAI levels that none
of them was trained on. Prints a table and leaves `levels.png` in DIR. What has been played is kept
in DIR, and not played again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from arguments import existing, make_parser
from horizon import draw, figures

from londi.config import FrontierConfig, TrainConfig
from londi.envs.seeds import held_out_seeds
from londi.evaluation.evaluate import read_played, write_played
from londi.evaluation.metrics import bootstrap_difference
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, call_rate
from londi.models.pair import ModelPair, load_pair
from londi.storage.runs import make_folder, read_run
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher, Switcher

LEVELS = (
    {
        "OneRoomS8-v0": "one room of 8",
        "OneRoomS12-v0": "one room of 12",
        "OneRoomS16-v0": "one room of 16",
        "OneRoomS20-v0": "one room of 20",
    },
    {
        "GoToObjMazeS4R2-v0": "2 × 2 rooms of 4",
        "GoToObjMazeS4-v0": "3 × 3 rooms of 4",
        "GoToObjMazeS7-v0": "3 × 3 rooms of 7",
    },
    {
        "GoToLocal-v0": "one mission",
        "PickUpThenGoToLocal-v0": "two missions",
        "GoToSeqS5R2-v0": "1 to 4, in 2 × 2 rooms",
    },
)
"""Levels by what they show: how large a room is, how many there are, how much is to be done."""
GAP = (float("nan"),) * 4


def main(folder: Path, episodes: int) -> None:
    """Print the table, and draw it."""
    config = read_run(folder, FrontierConfig)
    runs = [Path(run) for run in config.runs]
    training = read_run(runs[0], TrainConfig)
    print(f"{episodes} held-out episodes of each level, londi at c = {training.cost:g}\n")
    print(
        "| level | | steps | QUICK | DEEPTHINK | LONDI | 95% interval | call rate |"
        " coin at that rate | LONDI less the coin |"
    )
    print("|---" * 10 + "|")
    names: list[str] = []
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for kind in LEVELS:
        for level, told in kind.items():
            played = of_level(folder / "levels" / level, training, runs, level, episodes)
            names.append(told)
            for name, part in played.items():
                rows.setdefault(name, []).append(figures(part))
            quick, deepthink, (mean, low, high, rate), coin = (of[-1] for of in rows.values())
            difference = bootstrap_difference(totals(played["londi"]), totals(played["coin"]))
            steps = np.mean([e.steps for e in played["deepthink"][0]])
            print(
                f"| {level.removesuffix('-v0')} | {told} | {steps:.0f} | {quick[0]:.3f} |"
                f" {deepthink[0]:.3f} | {mean:.3f} | {low:.3f} .. {high:.3f} | {rate:.3f} |"
                f" {coin[0]:.3f} | {mean - coin[0]:+.3f} ({difference[0]:+.3f} .."
                f" {difference[1]:+.3f}) |",
                flush=True,
            )
        names.append("")
        for of in rows.values():
            of.append(GAP)
    draw(names, rows, "rooms and missions", folder / "levels.png", "")


def of_level(
    folder: Path, training: TrainConfig, runs: Sequence[Path], level: str, episodes: int
) -> dict[str, list[list[Episode]]]:
    """The episodes as they are played by each, by seed."""
    pair = load_pair(replace(training, env=f"londi/BabyAIText-{level}"), 0)
    make_folder(folder)

    def by(name: str, who: Switcher) -> list[Episode]:
        file = folder / f"{name}-{episodes}.json"
        if not file.is_file():
            write_played(file, _play(pair, who, episodes, training.cost))
            pair.commit()
        return read_played(file)

    learned = [Switcher.load(run, pair.quick, pair.deepthink) for run in runs]
    played = {
        "quick": [by("quick", ConstantSwitcher(0.0))],
        "deepthink": [by("deepthink", ConstantSwitcher(1.0))],
        "londi": [by(f"londi-{k}", who) for k, who in enumerate(learned)],
    }
    # The coin stands beside each Switcher, at that Switcher's own call rate on these episodes.
    played["coin"] = [
        by(f"coin-{k}", ConstantSwitcher(call_rate([own]))) for k, own in enumerate(played["londi"])
    ]
    pair.close()
    return played


def totals(played: Sequence[Sequence[Episode]]) -> np.ndarray:
    """Returns `[seeds, episodes]`."""
    return np.array([[e.total for e in run] for run in played])


def _play(pair: ModelPair, who: Switcher, episodes: int, cost: float) -> list[Episode]:
    seeds = held_out_seeds(episodes)
    return summary(play(pair, who, seeds, cost=cost, budget=Budget(), num_envs=64, seed=0))


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("folder", type=existing)
    given.add_argument("episodes", type=int, nargs="?", default=100)
    main(**vars(given.parse_args()))
