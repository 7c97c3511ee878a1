"""Does a learned Switcher call where QUICK errs?

    python benchmarks/slips.py RUN ... [--cost 0.005] [--episodes 200]

The Switchers of the runs play held-out episodes, in an environment that has an expert. At each step
QUICK is asked too, and errs where it does not do what the expert would. Prints a row for each run:
the share of steps at which QUICK errs, and the share of steps with a call where it errs and where
it does not, which for a coin would be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from arguments import existing, make_parser

from londi import EvaluateConfig, TrainConfig, evaluate
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.evaluation.play import Record
from londi.models.registry import load_model
from londi.storage.runs import read_run


def called(
    played: Sequence[Sequence[Record]], episode: TextEpisode, errs: Callable[[Prompt], bool]
) -> dict[bool, list[int]]:
    """The Switcher's choices in the episodes that it played, by whether QUICK errs in that state.

    Args:
        played: the steps of each episode.
        episode: of the same environment, with its expert.
        errs: whether QUICK errs where the expert has advice.
    """
    found: dict[bool, list[int]] = {True: [], False: []}
    for steps in played:
        episode.start(steps[0].step.episode)
        for record in steps:
            prompt = episode.prompt()
            if prompt.expert is None:  # it is lost already: nothing is right
                break
            found[errs(prompt)].append(record.step.choice)
            episode.step(record.step.action)
    return found


def choices(run: Path, cost: float, episodes: int) -> dict[bool, list[int]]:
    """The Switcher's choices, by whether QUICK errs in that state."""
    config = read_run(run, TrainConfig)
    evaluation = evaluate(run, EvaluateConfig(episodes=episodes, validation_episodes=20, cost=cost))
    quick = load_model(config.quick, choose=config.choose)
    episode = TextEpisode(make_env(config.env, expert=True, **config.env_options))
    return called(
        evaluation.played["londi"],
        episode,
        lambda prompt: quick.act([prompt])[0].action != prompt.expert,
    )


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("runs", type=existing, nargs="+", metavar="RUN")
    parser.add_argument("--cost", type=float, default=0.005)
    parser.add_argument("--episodes", type=int, default=200)
    given = parser.parse_args()
    print("| run | QUICK errs | calls where it errs | calls elsewhere |")
    print("|---|---|---|---|")
    for run in given.runs:
        asked = choices(run, given.cost, given.episodes)
        errs = len(asked[True]) / sum(map(len, asked.values()))
        rates = [errs, *(np.mean(asked[wrong]) for wrong in (True, False))]
        print("|", " | ".join([run.name, *(f"{rate:.2f}" for rate in rates)]), "|", flush=True)
