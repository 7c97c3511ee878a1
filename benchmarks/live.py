"""How long the live page's looks at a file of traces take: `python benchmarks/live.py FILE`.

It reads the file as the page does, and prints the times of the looks, of the figures of all
sessions and of the others, in milliseconds.
"""

from __future__ import annotations

import time
from pathlib import Path

from arguments import existing, make_parser

from londi.serve.live.digest import Digest
from londi.serve.live.figures import Figures
from londi.serve.live.view import READING


def main(file: Path) -> None:
    """Look at the file until all of it is read, and then ten times more."""
    digest = Digest(file)
    figures = Figures(digest, "always-quick")
    looks: list[float] = []
    began = time.perf_counter()
    while not looks or digest.unread:
        start = time.perf_counter()
        digest.read(READING)
        looks.append(time.perf_counter() - start)
    whole = time.perf_counter() - began
    print(f"read in {whole:.1f} s, {len(looks)} looks of at most {1000 * max(looks):.0f} ms")
    start = time.perf_counter()
    found = figures.traced()
    print(f"figures of all sessions and the others: {1000 * (time.perf_counter() - start):.0f} ms")
    print(f"sessions: {sum(arm.sessions for arm in found.arms):,}")
    again = []
    for _ in range(10):
        start = time.perf_counter()
        digest.read(READING)
        figures.traced()
        again.append(time.perf_counter() - start)
    print(f"a look without new rows: {1000 * sorted(again)[5]:.1f} ms")
    digest.close()


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("file", type=existing)
    main(given.parse_args().file)
