"""The log for TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from londi.errors import MissingExtra
from londi.reports.tensorboard import TensorBoardLog
from reports.trainings import reports


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


def test_a_training_without_reports_leaves_no_log(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with TensorBoardLog(tmp_path / "log"):
        pass
    assert list(tmp_path.iterdir()) == []
