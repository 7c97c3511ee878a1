"""Reports of a training for TensorBoard, an optional extra (`pip install 'londi[log]'`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from londi.errors import MissingExtra
from londi.learning.statistics import Progress


class TensorBoardLog:
    """A log of reports, one scalar a field; used as a context manager and as `on_progress=`.

    The folder is made with the first report.

    Args:
        folder: where the log goes.

    Raises:
        MissingExtra: if TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra("tensorboard", "log") from error
        self._folder, self._make = folder, SummaryWriter
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def __call__(self, progress: Progress) -> None:
        """Write a report."""
        self._writer = self._writer or self._make(str(self._folder))
        for name, value in asdict(progress).items():
            if name not in ("step", "steps"):
                self._writer.add_scalar(name, value, progress.step)
