"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from londi.config import TrainConfig
from londi.errors import InvalidConfig
from londi.storage.paths import as_path
from londi.storage.runs import create_run, is_free, make_folder, read_run


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/x") == tmp_path / "x"
    assert as_path(Path("~")) == tmp_path
    assert as_path("a/~/b") == Path("a/~/b")


def test_a_home_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InvalidConfig, match="no such home folder"):
        as_path("~nobody-of-that-name/x")


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig()
    for use in (
        as_path,
        lambda path: make_folder(Path(path)),
        lambda path: is_free(Path(path), TrainConfig, False),
        lambda path: create_run(Path(path), config),
        lambda path: read_run(Path(path), TrainConfig),
    ):
        with pytest.raises(InvalidConfig, match="path '") as caught:
            use(name)
        message = str(caught.value)
        assert len(message.splitlines()) == 1 and len(message) < 200
    assert not list(tmp_path.iterdir())
