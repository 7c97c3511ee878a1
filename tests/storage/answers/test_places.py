"""Where an answer database is opened, and what is said where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from hidden import without
from londi.errors import InvalidConfig, LondiError
from londi.storage.answers.places import open_answers


def test_a_path_is_a_file_and_a_tilde_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in ("~/one.sqlite", tmp_path / "two.sqlite"):
        opened = open_answers(place)
        opened.add({b"key": b"value"})
        assert opened.find([b"other", b"key"]) == {b"key": b"value"}
        opened.close()
    assert {"one.sqlite", "two.sqlite"} <= {file.name for file in tmp_path.iterdir()}


def test_a_home_folder_that_is_not_there_is_named_in_one_line() -> None:
    with pytest.raises(LondiError, match="cannot use the answer cache '~nobody-of-this-name/a'"):
        open_answers("~nobody-of-this-name/a")


def test_another_address_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="expected a file, redis://HOST:PORT/NUMBER or"):
        open_answers("mysql://localhost/answers")


@pytest.mark.parametrize(
    ("place", "package", "extra"),
    [
        ("redis://127.0.0.1:1/0", "redis", "redis"),
        ("postgresql://127.0.0.1:1/db", "psycopg", "postgres"),
    ],
)
def test_a_package_that_is_not_installed_is_named(place: str, package: str, extra: str) -> None:
    ran = without(
        {package},
        "from londi.errors import LondiError\n"
        "from londi.storage.answers.places import open_answers\n"
        f"try: open_answers({place!r})\nexcept LondiError as error: print(error)",
    )
    wanted = f"{package} is not installed; run: pip install 'londi[{extra}]'\n"
    assert ran.stdout == wanted, ran.stderr
