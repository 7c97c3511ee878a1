"""Logs of others that you have downloaded: what they say of pairs of models, and what they cannot.

    python benchmarks/public_logs.py experiments/submissions/LLM      # BALROG
    python benchmarks/public_logs.py historical_trajectories          # tau-bench
    python benchmarks/public_logs.py LLM --cheap NAME --strong NAME   # one pair, with fitted Q

Their licences do not let us ship them. Without names every model is held against the one with the
highest return on the same tasks. Prints tables in Markdown; exit code 2 where the input is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from londi.errors import DamagedFile, InvalidConfig, LondiError, UnknownName

sys.path.insert(0, str(Path(__file__).parent))
from public import balrog, taubench
from public.direct import Comparison, Figure, alone, compare
from public.fitted import fit_switching
from public.records import LoggedEpisode, PublicLogs

FORMATS = (balrog, taubench)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the logs say; 0, or 2 for a user's mistake."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="Folder or file of logs.")
    parser.add_argument("--cheap", default="", help="Model in the place of QUICK.")
    parser.add_argument("--strong", default="", help="Model in the place of DEEPTHINK.")
    given = parser.parse_args(argv)
    try:
        logs = opened(given.path)
        pairs = chosen(logs, given.cheap, given.strong)
    except (LondiError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print_logs(given.path, logs)
    print_pairs(logs, pairs, bool(given.cheap))
    return 0


def opened(path: Path) -> PublicLogs:
    """The logs of a folder or file, in whatever known format.

    Raises:
        LondiError: if there is none, or it is damaged.
    """
    if not path.exists():
        raise LondiError(f"there is no file or folder {str(path)!r}")
    for reader in FORMATS:
        if reader.detect(path):
            logs: PublicLogs = reader.read(path)
            if not logs.episodes:
                reasons = [f"{count} {reason}" for reason, count in logs.left_out.items()]
                raise DamagedFile(f"{str(path)!r}: no episode to read, but {', '.join(reasons)}")
            return logs
    raise DamagedFile(
        f"{str(path)!r}: unknown format; expected {' or '.join(one.NAME for one in FORMATS)}"
    )


Pair = tuple[list[LoggedEpisode], list[LoggedEpisode]]


def chosen(logs: PublicLogs, cheap: str, strong: str) -> list[Pair]:
    """The episodes of pairs of models in each family of tasks.

    Raises:
        LondiError: if a name is unknown, or only one is given.
    """
    models = {one.model for one in logs.episodes}
    if bool(cheap) != bool(strong):
        raise InvalidConfig("--cheap: expected --strong as well, or neither")
    for name in (cheap, strong):
        if name and name not in models:
            raise UnknownName("model", name, sorted(models))
    if cheap and cheap == strong:
        raise InvalidConfig(f"--strong: expected another model than {cheap!r}")
    pairs = []
    for env in sorted({one.env for one in logs.episodes}):
        sides = {
            model: [one for one in logs.episodes if (one.env, one.model) == (env, model)]
            for model in sorted(models)
        }
        sides = {model: side for model, side in sides.items() if side}
        best = max(sides, key=lambda model: alone(sides[model], False).estimate)
        for model, side in sides.items():
            other = strong or best
            if model == (cheap or model) and model != other and other in sides:
                pairs.append((side, sides[other]))
    return pairs


def print_logs(path: Path, logs: PublicLogs) -> None:
    """What was read, what can be estimated, and what cannot."""
    episodes = logs.episodes
    steps = sum(len(one.rewards) for one in episodes)
    models = sorted({one.model for one in episodes})
    print(
        f"{path}: {logs.format}, {len(episodes):,} episodes, {steps:,} steps,"
        f" {len(models)} model{'s' * (len(models) != 1)}"
    )
    for reason, count in logs.left_out.items():
        print(f"left out: {count:,} episodes {reason}")
    for note in logs.notes:
        print(note)
    over = "tasks" if logs.over_tasks else "the episodes of each task"
    print(f"\nReturns have 95% bootstrap intervals over {over}; each task has equal weight.")
    print("\n| env | model | tasks | episodes | steps | tokens an episode | return |")
    print("|---|---|---|---|---|---|---|")
    for env, model in sorted({(one.env, one.model) for one in episodes}):
        own = [one for one in episodes if (one.env, one.model) == (env, model)]
        tokens = [one.tokens for one in own if one.tokens is not None]
        cells = (
            env,
            model,
            len({one.task for one in own}),
            len(own),
            sum(len(one.rewards) for one in own),
            f"{np.mean(tokens):,.0f}" if len(tokens) == len(own) else "unknown",
            figure(alone(own, logs.over_tasks)),
        )
        print(f"| {' | '.join(map(str, cells))} |")
    for title, sentences in (("Can be estimated", logs.can), ("Cannot", logs.cannot)):
        print(f"\n{title}:\n")
        for sentence in sentences:
            print(f"- {sentence}")


def print_pairs(logs: PublicLogs, pairs: Sequence[Pair], named: bool) -> None:
    """The direct estimates of pairs, and fitted Q where it was asked for."""
    compared = [(compare(*pair, logs.over_tasks), pair) for pair in pairs]
    shown = [(found, pair) for found, pair in compared if found is not None]
    if not shown:
        print("\nNo two models played tasks of the same names: there is nothing to compare.")
        return
    over = "tasks" if logs.over_tasks else "the episodes of each task"
    print(f"\nThe tasks of both. Intervals are over {over}; each task has equal weight.\n")
    print(
        "| env | cheap | strong | tasks | episodes | same level | cheap alone | strong alone |",
        end="",
    )
    print(" gap | best of two | at most |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for found, (side, _) in shown:
        print(line(side[0].env, found))
    print(
        "\nBest of two per episode is the bound of a router that picks the model before an episode"
        " begins: of the\nsame level where all episodes have one, else of any two episodes of a"
        " task, as if their levels were unrelated. No\nsuch router is above 'at most'."
    )
    shown = [
        (found, pair) for found, pair in shown if all(one.seen for side in pair for one in side)
    ]
    if not shown:
        return
    if not named:
        print("\nFitted Q of switching: name a pair with --cheap and --strong.")
        return
    print(
        "\nFitted Q of switching by step. It RESTS ON THE MARKOV ASSUMPTION and has no interval:\n"
    )
    print(
        "| env | cheap alone | as played | strong alone | as played | coin | better | its calls |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for found, (cheap, strong) in shown:
        fit = fit_switching(cheap, strong)
        played = [figure.estimate for figure in found.returns]
        numbers = (fit.cheap, played[0], fit.strong, played[1], fit.coin, fit.better, fit.calls)
        print(f"| {cheap[0].env} | {' | '.join(f'{number:.3f}' for number in numbers)} |")
    print(
        "\nWhere a model alone is far from what it played, believe none of it. 'Better' takes at"
        " each step the larger of two\nnumbers with errors, so it may be too high. No fitted return"
        " is outside of those played."
    )


def line(env: str, found: Comparison) -> str:
    """A pair as a row of the table."""
    cells = (
        env,
        found.cheap,
        found.strong,
        found.tasks,
        f"{found.episodes[0]} and {found.episodes[1]}",
        found.levels,
        *map(figure, (*found.returns, found.gap, found.best, found.most)),
    )
    return f"| {' | '.join(map(str, cells))} |"


def figure(found: Figure) -> str:
    """A figure with its interval."""
    if found.interval is None:
        return f"{found.estimate:.3f} (too few for an interval)"
    low, high = found.interval
    return f"{found.estimate:.3f} ({low:.3f} .. {high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
