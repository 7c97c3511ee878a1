"""Whether a Switcher is worse than a coin on levels that it has not seen.

    londi train --graphs 2000 --seed S --out RUN   # for each of some seeds
    python benchmarks/unseen.py OUT RUN ... [--levels LEVEL ...] [--episodes N]

Each run plays held-out episodes of each level, with its caution and without, and so does a coin at
that run's own call rate there. Prints a table in Markdown. What has been played is kept
in OUT. The default levels were used for nothing else; those that the caution was chosen on are
OneRoomS8-v0, MixedTestLocal-v0 and PickupLoc-v0.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from arguments import make_parser
from levels import totals

from londi.config import TrainConfig
from londi.envs.seeds import held_out_seeds
from londi.evaluation.evaluate import read_played, write_played
from londi.evaluation.metrics import bootstrap_difference
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, call_rate
from londi.models.pair import ModelPair, load_pair
from londi.storage.runs import make_folder, read_run
from londi.switching.budget import Budget
from londi.switching.caution import CautiousActor
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher, Switcher

LEVELS = (
    "OneRoomS12-v0",
    "GoToRedBall-v0",
    "GoToLocalS8N7-v0",
    "PutNextS5N2-v0",
    "OpenRedDoor-v0",
    "PickupDist-v0",
    "UnlockLocalDist-v0",
    "GoToObjMazeS4R2-v0",
    "ActionObjDoor-v0",
    "GoToSeqS5R2-v0",
)


def main() -> None:
    """Play what is missing, and print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--levels", nargs="+", default=LEVELS)
    parser.add_argument("--episodes", type=int, default=150)
    given = parser.parse_args()
    print("| level | | return | call rate | coin at that rate | less the coin |")
    print("|---|---|---|---|---|---|")
    for level in given.levels:
        training = replace(read_run(given.runs[0], TrainConfig), env=f"londi/BabyAIText-{level}")
        pair = load_pair(training, 0)
        folder = given.out / level
        make_folder(folder)
        played = partial(_played, pair, given.episodes, training.cost)
        for cautious in (True, False):
            own, coin = [], []
            for run in given.runs:
                learned = Switcher.load(run, pair.quick, pair.deepthink)
                if not cautious:
                    _drop_caution(learned)
                name = f"{run.name}-{'cautious' if cautious else 'bold'}-{given.episodes}"
                own.append(played(learned, folder / f"{name}.json", 0))
                flip = ConstantSwitcher(call_rate([own[-1]]))
                coin.append(played(flip, folder / f"{name}-coin.json", 1))
            left, right = totals(own), totals(coin)
            low, high = bootstrap_difference(left, right)
            print(
                f"| {level.removesuffix('-v0')} | {'cautious' if cautious else 'without'} |"
                f" {left.mean():.3f} | {call_rate(own):.3f} | {right.mean():.3f} |"
                f" {left.mean() - right.mean():+.3f} ({low:+.3f} .. {high:+.3f}) |",
                flush=True,
            )
        pair.close()


def _drop_caution(learned: Switcher) -> None:
    assert isinstance(learned, LearnedSwitcher)
    if isinstance(learned.actor, CautiousActor):
        learned.actor = learned.actor.inner


def _played(
    pair: ModelPair, episodes: int, cost: float, who: Switcher, file: Path, seed: int
) -> list[Episode]:
    if not file.is_file():
        found = play(
            pair,
            who,
            held_out_seeds(episodes),
            cost=cost,
            budget=Budget(),
            num_envs=64,
            seed=seed,
        )
        write_played(file, summary(found))
        pair.commit()
    return read_played(file)


if __name__ == "__main__":
    main()
