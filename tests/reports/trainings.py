"""Reports of a training."""

from __future__ import annotations

from dataclasses import replace

from londi.learning.statistics import Progress

ZERO = Progress(**dict.fromkeys(Progress.__dataclass_fields__, 0))


def reports(number: int) -> list[Progress]:
    return [
        replace(ZERO, step=500 * k, steps=500 * number, return_mean=k / number, call_rate=0.5)
        for k in range(1, number + 1)
    ]
