"""Tool calls with scripted players: does the learned Switcher call where QUICK errs?

    python benchmarks/toolcalls.py OUT [--seeds 3] [--steps N] [--cost C]

DEEPTHINK is the expert; QUICK is `expert:0.3`, which gets the calls of three in ten functions
wrong, always the same ones, and then ends the turn. The Switcher reads the text of the state. For
each training seed: return and call rate on the 40 held-out tasks, beside a coin at the same rate,
and the share of steps with a call where QUICK is wrong and where it is right; then the best that
any Switcher could do. Prints tables in Markdown; trainings that are there are not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from arguments import make_parser
from slips import called

from londi import EvaluateConfig, TrainConfig, evaluate, train
from londi.config import LimitConfig
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.evaluation.evaluate import Evaluation, results
from londi.models.pair import ModelPair
from londi.models.scripted import WRONG, ErringExpert, ExpertModel
from londi.oracle.clairvoyant import clairvoyant

ENV, SHARE, TASKS = "londi/ToolCalls-v0", 0.3, 40


class Careful(ExpertModel):
    """The expert. A prompt shows the whole conversation, so its advice follows from the text."""

    fingerprint = "careful"


class Slipping(ErringExpert):
    """The expert that errs, with a fingerprint for the same reason."""

    fingerprint = f"slipping-{SHARE}"


def choices(evaluation: Evaluation) -> dict[bool, list[int]]:
    """The Switcher's choices, by whether QUICK would have been wrong in what matters."""
    slip = ErringExpert(SHARE)
    return called(
        evaluation.played["londi"],
        TextEpisode(make_env(ENV, expert=True)),
        lambda prompt: slip.act([prompt])[0].action == WRONG and prompt.expert != "Done.",
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--cost", type=float, default=0.02)
    given = parser.parse_args(argv)
    print("| seed | QUICK | DEEPTHINK | coin | LONDI | call rate | where QUICK errs | elsewhere |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in range(given.seeds):
        folder = given.out / f"seed-{seed}"
        if not (folder / "checkpoint").is_dir():
            config = TrainConfig(
                env=ENV,
                quick=f"expert:{SHARE}",
                deepthink="expert",
                encoder="text",
                cache="none",
                cost=given.cost,
                steps=given.steps,
                steps_per_update=4,
                seed=seed,
            )
            train(config, folder)
        evaluation = evaluate(folder, EvaluateConfig(episodes=TASKS, validation_episodes=TASKS))
        by_method = {result.method: result for result in results([evaluation])}
        shares = choices(evaluation)
        returns = [
            f"{by_method[method].return_mean:.3f}"
            for method in ("quick", "deepthink", "random", "londi")
        ]
        rates = [by_method["londi"].call_rate, *(np.mean(shares[errs]) for errs in (True, False))]
        print("|", " | ".join([str(seed), *returns, *(f"{rate:.2f}" for rate in rates)]), "|")
    limit = LimitConfig(env=ENV, episodes=TASKS)
    make = partial(make_env, ENV, expert=True)
    found = clairvoyant(limit, pair=ModelPair(Slipping(SHARE), Careful(), make))
    print("\n| most calls an episode | best return | call rate |")
    print("|---|---|---|")
    for k in (0, 1, 2, 3, 4, 6, 8):
        best = found.budgets[k]
        low, high = best.return_at_least, best.return_at_most
        exact = f"{low:.3f}" if low == high else f"{low:.3f} .. {high:.3f}"
        print(f"| {k} | {exact} | {best.call_rate:.2f} |")


if __name__ == "__main__":
    main()
