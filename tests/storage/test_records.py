"""Records in JSON files: read as they were written, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from londi.errors import DamagedFile, InvalidConfig
from londi.storage.records import read_lines, read_record


@dataclass(frozen=True)
class Point:
    cost: float
    span: tuple[float, float]
    budget: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.cost < 0:
            raise InvalidConfig(f"cost: expected a number >= 0, got {self.cost}")


WHOLE = Point(0.5, (0.0, 1.0), 3, "é")


def test_a_record_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "point.json"
    file.write_text(json.dumps(asdict(WHOLE)))
    assert read_record(file, Point) == WHOLE
    file.write_text(json.dumps([asdict(WHOLE), asdict(WHOLE)]))
    assert read_record(file, list[Point]) == [WHOLE, WHOLE]
    file.write_text('{"cost": 1, "span": [0, 1]}')
    assert read_record(file, Point) == Point(1.0, (0.0, 1.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ('{"cost": 0.5', "is no JSON"),
        ("[" * 9999 + "]" * 9999, "is no JSON"),
        ("null", "expected keys with values, got nothing"),
        ("3", "expected keys with values, got 3"),
        ("[1, 2]", "expected keys with values, got [1, 2]"),
        ('{"cost": 0.5}', "span: expected a list of 2, got no such key"),
        ('{"cost": "0.5", "span": [0, 1]}', "cost: expected a number, got '0.5'"),
        ('{"cost": true, "span": [0, 1]}', "cost: expected a number, got True"),
        ('{"cost": -1, "span": [0, 1]}', "cost: expected a number >= 0, got -1.0"),
        ('{"cost": 1, "span": [0]}', "span: expected a list of 2, got [0]"),
        ('{"cost": 1, "span": [0, "a"]}', "span[1]: expected a number, got 'a'"),
        ('{"cost": 1, "span": [0, 1], "budget": 1.5}', "budget: expected a whole number or noth"),
        ('{"cost": 1, "span": [0, 1], "nmae": ""}', "unknown key 'nmae'; did you mean 'name'?"),
    ],
)
def test_a_damaged_record_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "point.json"
    file.write_text(text)
    with pytest.raises(DamagedFile) as caught:
        read_record(file, Point)
    assert message in str(caught.value) and repr(str(file)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_text_or_not_there_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "point.json").write_bytes(b"\xff\xfe\x00")
    for name, message in (("point.json", "is no text"), ("none.json", "No such file")):
        with pytest.raises(DamagedFile, match=message):
            read_record(tmp_path / name, Point)


def test_keys_of_earlier_releases_are_taken(tmp_path: Path) -> None:
    def renamed(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"span" if key == "range" else key: value for key, value in row.items()}

    file = tmp_path / "points.json"
    file.write_text('[{"cost": 1, "range": [0, 1]}]')
    assert read_record(file, list[Point], renamed) == [Point(1.0, (0.0, 1.0))]


def test_lines_are_read_up_to_the_one_that_a_kill_cut(tmp_path: Path) -> None:
    file = tmp_path / "points.jsonl"
    line = json.dumps(asdict(WHOLE)) + "\n"
    file.write_text(line + line + line[:20])
    assert read_lines(file, Point) == [WHOLE, WHOLE]
    file.write_text(line + line[:20] + "\n" + line)
    with pytest.raises(DamagedFile, match=r"line 2 is no JSON"):
        read_lines(file, Point)
