"""Names beside the curves of a picture, where they cover neither curves nor one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = npt.NDArray[np.float64]

SIZE = 8.0
"""Size of the letters, in points."""
_AWAY = (9.0, 18.0, 30.0, 45.0, 62.0)  # how far a name may be from its curve, in points
_LETTER = 0.56  # width of a letter over its height, about


@dataclass(frozen=True)
class Label:
    """A name, and the curve that it belongs to.

    Attributes:
        text: the name.
        color: that of the curve.
        x, y: the curve.
    """

    text: str
    color: str
    x: Sequence[float]
    y: Sequence[float]


def place(
    axes: Axes, labels: Sequence[Label], curves: Sequence[tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Write each name beside its curve, and draw a thin line from it to the curve.

    Args:
        axes: the picture, once it has been drawn and has its size.
        labels: the names; the first ones choose their place first.
        curves: the x and y of all that must stay visible.
    """
    dots = axes.figure.dpi / 72  # of the screen, to a point
    taken = np.concatenate([_dense(axes, x, y) for x, y in curves])
    bounds = axes.get_window_extent()
    boxes: list[tuple[float, float, float, float]] = []
    for label in labels:
        along = _dense(axes, label.x, label.y, 40)
        width, height = SIZE * _LETTER * len(label.text) * dots, SIZE * 1.3 * dots
        best: tuple[float, Points, tuple[float, float, float, float]] | None = None
        for anchor in along:
            for away in _AWAY:
                for side in (-1, 0, 1):
                    for up in (-1, 1):
                        x = anchor[0] + side * away * dots - (1 - side) / 2 * width
                        middle = anchor[1] + up * away * dots
                        box = (x, middle - height / 2, x + width, middle + height / 2)
                        if not _inside(box, bounds.extents):
                            continue
                        cost = away + 40 * _covered(box, taken) + 10 * _crossed(anchor, box, taken)
                        cost += 1000 * sum(_meet(box, other) for other in boxes)
                        if best is None or cost < best[0]:
                            best = (cost, anchor, box)
        if best is None:
            continue
        _, anchor, box = best
        boxes.append(box)
        inverse = axes.transData.inverted()
        axes.annotate(
            label.text,
            xy=tuple(inverse.transform(anchor)),
            xytext=tuple(inverse.transform(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))),
            ha="center",
            va="center",
            fontsize=SIZE,
            color=label.color,
            arrowprops={"arrowstyle": "-", "color": label.color, "lw": 0.6, "shrinkA": 0},
            zorder=7,
        )


def _dense(axes: Axes, x: Sequence[float], y: Sequence[float], count: int = 300) -> Points:
    """[count, 2], points of the screen all along a curve."""
    corners = axes.transData.transform(np.column_stack([x, y]))
    if len(corners) == 1:
        return corners
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0.0, lengths[-1], count)
    return np.column_stack([np.interp(at, lengths, corners[:, k]) for k in (0, 1)])


def _covered(box: tuple[float, float, float, float], points: Points) -> int:
    """How many points lie in a box, or just beside it."""
    x, y = points.T
    return int(((x > box[0] - 3) & (x < box[2] + 3) & (y > box[1] - 3) & (y < box[3] + 3)).sum())


def _crossed(anchor: Points, box: tuple[float, float, float, float], points: Points) -> int:
    """At how many places the thin line from a curve to a box runs over another curve."""
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    way = anchor + np.linspace(0.3, 1.0, 8)[:, None] * (middle - anchor)
    near = np.abs(way[:, None] - points[None]).max(-1) < 4
    return int(near.any(-1).sum())


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inside(box: tuple[float, float, float, float], bounds: Sequence[float]) -> bool:
    return (
        box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]
    )
