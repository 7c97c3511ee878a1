"""The page of a run, its training curve, and the log for TensorBoard."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from londi.errors import MissingExtra
from londi.learning.statistics import Progress
from londi.reports.plot import COLOURS, PLOT, plot
from londi.reports.run import write_run_page
from londi.reports.tensorboard import TensorBoardLog
from londi.reports.training import TRAINING, plot_training
from reports.test_plot import drawn, evaluation

ZERO = Progress(**dict.fromkeys(Progress.__dataclass_fields__, 0))


def reports(number: int) -> list[Progress]:
    return [
        replace(ZERO, step=500 * k, steps=500 * number, return_mean=k / number, call_rate=0.5)
        for k in range(1, number + 1)
    ]


@pytest.mark.parametrize("number", [1, 2, 80])
def test_a_training_is_drawn(tmp_path: Path, number: int) -> None:
    plot_training(reports(number), tmp_path / TRAINING)
    assert drawn(imread(tmp_path / TRAINING), COLOURS["londi"]) > 50


def test_without_reports_there_is_no_picture(tmp_path: Path) -> None:
    plot_training([], tmp_path / TRAINING)
    assert list(tmp_path.iterdir()) == []


def test_the_page_has_figures_and_pictures_and_loads_nothing(tmp_path: Path) -> None:
    results = [replace(r, lm_seconds=0.1 + r.call_rate, pgr=0.8) for r in evaluation()]
    plot(results, tmp_path / PLOT)
    plot_training(reports(9), tmp_path / TRAINING)
    lines = [(r.method, r) for r in results]
    text = write_run_page(tmp_path, "a <b>title</b>", lines, tmp_path).read_text()
    assert text.count("data:image/png;base64,") == 2
    assert "a &lt;b&gt;title&lt;/b&gt;" in text and "{{" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:)", text) and "<script" not in text
    head = text[text.index("headline") :]
    # Calls and seconds are saved by different shares; each is named.
    assert "of DEEPTHINK’s calls saved</dt><dd>70%" in head
    assert "of the seconds in the models saved</dt><dd>64%" in head
    assert re.findall(r"<tr[^>]*><td>(\w+)", text) == [r.method for r in results]


def test_the_page_of_a_training_alone(tmp_path: Path) -> None:
    plot_training(reports(9), tmp_path / TRAINING)
    text = write_run_page(tmp_path, "title", run=tmp_path).read_text()
    assert text.count("data:image/png;base64,") == 1 and "<table" not in text


def test_a_budget_has_its_column_in_the_page(tmp_path: Path) -> None:
    capped = [("x", replace(evaluation()[4], budget=4, exceeded=0.25))]
    assert "25.0%" in write_run_page(tmp_path, "title", capped).read_text()
    assert (
        "over budget" not in write_run_page(tmp_path, "title", [("x", evaluation()[4])]).read_text()
    )


def test_without_tensorboard_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'londi\[log\]'"):
        TensorBoardLog(tmp_path / "log")
    assert not (tmp_path / "log").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_reports_are_written_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoardLog(tmp_path / "log") as log:
        assert not (tmp_path / "log").exists()
        for report in reports(3):
            log(report)
    read = EventAccumulator(str(tmp_path / "log"))
    read.Reload()
    assert "call_rate" in read.Tags()["scalars"] and "step" not in read.Tags()["scalars"]
    assert [(e.step, round(e.value, 2)) for e in read.Scalars("return_mean")] == [
        (500, 0.33),
        (1000, 0.67),
        (1500, 1.0),
    ]
