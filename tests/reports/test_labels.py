"""Names beside the curves of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from londi.reports.labels import Label, place


def pictured(width: float, *curves: tuple[list[float], list[float]]) -> Axes:
    """A picture of curves, as wide as told, once it has been drawn."""
    figure = Figure(figsize=(width, 4), layout="constrained")
    axes = figure.subplots()
    for line in curves:
        axes.plot(*line)
    figure.draw_without_rendering()
    return axes


@pytest.mark.parametrize("bends", [(0.4, 0.41, 0.6), (0.4, 0.9, 0.95)])
def test_labels_cover_neither_curves_nor_one_another(bends: tuple[float, ...]) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    x = np.linspace(0, 1, 20)
    curves = [(list(x), list(x**bend)) for bend in bends]
    for line in curves:
        axes.plot(*line)
    figure.draw_without_rendering()
    labels = [Label(f"the curve number {k}", "black", *c) for k, c in enumerate(curves)]
    place(axes, labels, curves)
    figure.draw_without_rendering()
    fine = np.linspace(0, 1, 500)
    points = np.concatenate(
        [axes.transData.transform(np.column_stack([fine, np.interp(fine, *c)])) for c in curves]
    )
    # As matplotlib measures them, without the thin line to the curve.
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == len(labels)
    for box in boxes:
        assert box.count_contains(points) == 0
        assert sum(box.overlaps(other) for other in boxes) == 1


FALLING = ([0.0, 0.5, 1.0], [1.0, 0.4, 0.0])
RISING = ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])


def test_a_name_stays_within_the_picture() -> None:
    axes = pictured(5, FALLING, RISING)
    place(axes, [Label("a falling curve", "red", *FALLING)], [FALLING, RISING])
    (text,) = axes.texts
    axes.figure.draw_without_rendering()
    frame = axes.get_window_extent()
    assert all(frame.contains(*corner) for corner in Text.get_window_extent(text).corners())


def test_a_thin_line_leads_from_a_name_to_its_own_curve() -> None:
    axes = pictured(8, FALLING, RISING)
    labels = [Label("falling", "red", *FALLING), Label("rising", "blue", *RISING)]
    place(axes, labels, [FALLING, RISING])
    for label, text in zip(labels, axes.texts, strict=True):
        assert isinstance(text, Annotation)
        assert (text.get_text(), text.get_color()) == (label.text, label.color)
        x, y = text.xy
        assert y == pytest.approx(np.interp(x, label.x, label.y), abs=1e-6)
        assert text.arrow_patch is not None


def test_a_curve_of_one_point_has_its_name_too() -> None:
    point = ([0.5], [0.5])
    axes = pictured(8, RISING, point)
    place(axes, [Label("alone", "red", *point)], [RISING, point])
    (text,) = axes.texts
    assert isinstance(text, Annotation) and text.xy == pytest.approx((0.5, 0.5))


def test_a_name_that_fits_nowhere_is_left_out() -> None:
    axes = pictured(2, RISING)
    place(axes, [Label("a name " * 20, "red", *RISING), Label("x", "red", *RISING)], [RISING])
    assert [text.get_text() for text in axes.texts] == ["x"]
