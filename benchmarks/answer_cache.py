"""Time of look-ups and commits of the answer cache, at each place that is given.

    python benchmarks/answer_cache.py answers.sqlite redis://localhost/1 postgresql://me@localhost/db

Answers are random and of the size of those with an embedding of 256 numbers. The places keep them.
"""

from __future__ import annotations

import os
import time

from arguments import make_parser

from londi.models.cache import AnswerStore

ANSWERS, BATCH, SIZE = 5_000, 64, 1_200


def measure(place: str) -> tuple[float, float, float]:
    """Seconds of a commit of all answers; of a batch of known answers, and of one of unknown."""
    answers = {os.urandom(32): os.urandom(SIZE) for _ in range(ANSWERS)}
    store = AnswerStore(place)
    for key, value in answers.items():
        store.put(key, value)
    began = time.perf_counter()
    store.close()
    written = time.perf_counter() - began

    seconds = []
    for keys in (list(answers), [os.urandom(32) for _ in answers]):
        store = AnswerStore(place)  # it remembers nothing
        began = time.perf_counter()
        for start in range(0, ANSWERS, BATCH):
            store.find(keys[start : start + BATCH])
        seconds.append((time.perf_counter() - began) / (ANSWERS / BATCH))
        store.close()
    known, unknown = seconds
    return written, known, unknown


def main(places: list[str]) -> None:
    """Print the table."""
    print(f"| place | commit of {ANSWERS:,} answers, s | {BATCH} known, ms | {BATCH} unknown, ms |")
    print("|---|---|---|---|")
    for place in places:
        commit, known, unknown = measure(place)
        kind = place.partition("://")[0] if "://" in place else "file"
        print(f"| {kind} | {commit:.2f} | {known * 1000:.2f} | {unknown * 1000:.2f} |")


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("places", nargs="+")
    main(given.parse_args().places)
