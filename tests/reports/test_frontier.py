"""The picture of a frontier: few colours, every name beside its curve, the tie to be seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
from matplotlib.image import imread

from londi.evaluation.curves import Estimate
from londi.reports.frontier import named, plot_frontier
from londi.reports.plot import COLOURS, GREY, OTHER
from reports.comparison import FOUND, curve
from reports.test_plot import drawn

BEHIND = Estimate(0.2, 0.1, 0.3)
LEVEL = Estimate(0.003, -0.01, 0.02)
MANY = replace(
    FOUND,
    curves=[
        curve("londi", "universal Switcher", 0.40, None),
        curve("random", "random", 0.95, BEHIND),
        curve("stuck", "stuck", 0.85, BEHIND),
        curve("step-router", "router by step", 0.41, LEVEL),
        curve("cql", "CQL", 0.6, BEHIND),
    ],
)


def test_three_are_in_colour_and_the_rest_is_grey(tmp_path: Path) -> None:
    plot_frontier(MANY, tmp_path / "f.png")
    image = imread(tmp_path / "f.png")
    for colour in (COLOURS["londi"], COLOURS["threshold"], OTHER, GREY):
        assert drawn(image, colour) > 100
    assert drawn(image, COLOURS["random"]) == 0


def test_names_stand_beside_their_curves_and_a_tie_is_named(tmp_path: Path) -> None:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_frontier(MANY, tmp_path / "f.svg")
    text = (tmp_path / "f.svg").read_text()
    for name in ("universal Switcher, APGR 0.714", "router by step, APGR 0.709 (level)"):
        assert f">{name}<" in text
    assert ">CQL, APGR 0.625<" in text and "grey: random, stuck" in text
    assert "QUICK alone<" in text and "clairvoyant (limit)<" in text


def test_level_is_what_cannot_be_told_apart() -> None:
    assert named(MANY.curves[3]).endswith("(level)")
    assert not any(named(MANY.curves[k]).endswith("(level)") for k in (0, 1, 4))


def test_without_a_limit_or_rivals_it_is_drawn(tmp_path: Path) -> None:
    plot_frontier(replace(FOUND, curves=FOUND.curves[:1], limit=[]), tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 1000
