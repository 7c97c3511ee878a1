"""The training curve of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from londi.reports.plot import COLOURS
from londi.reports.training import TRAINING, plot_training
from reports.test_plot import drawn
from reports.trainings import reports


@pytest.mark.parametrize("number", [1, 2, 80])
def test_a_training_is_drawn(tmp_path: Path, number: int) -> None:
    plot_training(reports(number), tmp_path / TRAINING)
    assert drawn(imread(tmp_path / TRAINING), COLOURS["londi"]) > 50


def test_without_reports_there_is_no_picture(tmp_path: Path) -> None:
    plot_training([], tmp_path / TRAINING)
    assert list(tmp_path.iterdir()) == []


def test_return_and_call_rate_have_a_picture_each(tmp_path: Path) -> None:
    """A change of either changes its own half."""
    file = tmp_path / TRAINING

    def halves(**changes: float) -> tuple[np.ndarray, np.ndarray]:
        # The scale of the returns is that of the other reports, which stay.
        made = reports(9)
        plot_training([*made[:4], replace(made[4], **changes), *made[5:]], file)
        image = imread(file)
        middle = len(image) // 2
        return image[:middle], image[middle:]

    plain, lower, calling = halves(), halves(return_mean=0.2), halves(call_rate=0.9)
    assert not np.array_equal(plain[0], lower[0]) and np.array_equal(plain[1], lower[1])
    assert np.array_equal(plain[0], calling[0]) and not np.array_equal(plain[1], calling[1])


def test_steps_are_written_as_they_are_read(tmp_path: Path) -> None:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_training(reports(80), tmp_path / "training.svg")
    text = (tmp_path / "training.svg").read_text()
    for words in ("environment steps", "return", "call rate", "40,000"):
        assert f">{words}<" in text
