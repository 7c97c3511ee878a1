"""What QUICK and DEEPTHINK score by themselves, task by task, and where there is a gap.

    python benchmarks/scienceworld_tasks.py [EPISODES] [QUICK] [DEEPTHINK]

Plays EPISODES (20 by default) on the variations for development and as many on those for test,
of each task of londi/ScienceWorld-short-v0. A gap is real, and set in bold, where the 95%
interval of the mean difference, episode by episode, is above zero.
"""

from functools import partial

import numpy as np
import torch
from arguments import make_parser

from londi.envs.registry import make_env
from londi.envs.scienceworld.env import SHORT_TASKS
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.evaluation.metrics import bootstrap
from londi.evaluation.play import play, summary
from londi.models.pair import ModelPair
from londi.models.registry import load_model
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher

LIMIT, SIDE_BY_SIDE = 50, 4


def main(
    episodes: int,
    quick: str,
    deepthink: str,
) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    small, large = (load_model(name, choose="generate") for name in (quick, deepthink))
    print("| task | dev: quick | dev: deepthink | test: quick | test: deepthink | test: gap |")
    print("|---|---|---|---|---|---|")
    every = []
    for task in SHORT_TASKS:
        make = partial(make_env, f"londi/ScienceWorld-{task}-v0", limit=LIMIT)
        pair = ModelPair(small, large, make)
        returns = np.array(
            [
                [
                    [episode.total for episode in summary(
                        play(pair, ConstantSwitcher(who), seeds, cost=0.0, budget=Budget(),
                             num_envs=SIDE_BY_SIDE, seed=0)
                    )]
                    for who in (0.0, 1.0)
                ]
                for seeds in (validation_seeds(episodes), held_out_seeds(episodes))
            ]
        )  # fmt: skip
        every.append(returns)
        print(line(task, returns), flush=True)
    print(line("all", np.concatenate(every, 2)))


def line(task: str, returns: np.ndarray) -> str:
    """A line of the table; `returns` is `[split, model, episode]`."""
    means = " | ".join(f"{100 * mean:.0f}" for mean in returns.mean(2).flat)
    low, high = bootstrap(100 * (returns[1, 1] - returns[1, 0])[None])
    gap = f"{low:+.0f} .. {high:+.0f}"
    return f"| {task} | {means} | {'**' + gap + '**' if low > 0 else gap} |"


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("episodes", type=int, nargs="?", default=20)
    given.add_argument("quick", nargs="?", default="builtin:scienceworld-quick")
    given.add_argument("deepthink", nargs="?", default="builtin:scienceworld-deepthink")
    options = vars(given.parse_args())
    with warm():
        main(**options)
