"""What exploration costs and what it buys, on logs of a Switcher with random choices.

    python benchmarks/exploration.py OUT [--env babyai|scienceworld] [--sessions N]

For each share of random choices: what sessions return and call, against the Switcher without them;
then what a log of them is worth, and how wide its intervals of the return are, for the Switcher
itself and for what it does at half and twice its c. OUT is that of `benchmarks/ope_worlds.py`,
whose Switcher is taken. Prints a table in Markdown; logs that are there are not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from arguments import make_parser

from londi.evaluation.ope import Estimate

sys.path.insert(0, str(Path(__file__).parent))
from offline import SETTINGS
from ope_worlds import LOGGED, Logged, Policy, world_of

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
FIRST = 1_000
"""Number of the first log, behind those of `ope_worlds.py`."""


def worth(made: Estimate) -> str:
    """Sessions that the log is worth, and half of the return's interval."""
    if made.refused is not None:
        return f"none: {made.refused.reason}"
    interval = made.value("return").interval
    assert interval and made.effective_sample_size
    return f"{made.effective_sample_size:.0f}, ± {(interval[1] - interval[0]) / 2:.3f}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", choices=SETTINGS, default="babyai")
    parser.add_argument("--sessions", type=int, default=500)
    given = parser.parse_args(argv)
    print(f"{given.sessions} sessions a log")
    print("| exploration | return | calls | the same Switcher | at c / 2 | at 2 c |")
    print("|---|---|---|---|---|---|")
    with world_of(given.env, given.out) as world:
        c = LOGGED[given.env]
        for share in SHARES:
            # The same episodes for each share, so that what is lost is not luck of the draw.
            folder = given.out / "exploration" / f"{share:g}-{given.sessions}"
            log = world.log(folder, FIRST, given.sessions, Logged(Policy(c), share, ()))
            totals, calls = log.to_come()[log.begins], log.choice.sum() / log.begins.sum()
            noise = 1.96 * totals.std() / len(totals) ** 0.5
            cells = [worth(world.estimated(log, Policy(cost))) for cost in (c, c / 2, 2 * c)]
            played = f"{np.mean(totals):.3f} ± {noise:.3f} | {calls:.1f}"
            print(f"| {share:g} | {played} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
