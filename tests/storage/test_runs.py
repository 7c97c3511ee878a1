"""The folder of a run: made new, never by accident over another, and read back as it was."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.config import FinetuneConfig, TrainConfig
from londi.errors import InvalidConfig, LondiError, OutputExists, RunInUse, UnknownName
from londi.storage.runs import CONFIG, create_run, locked, making_run, read_run


@dataclass(frozen=True)
class Settings:
    """One field of each kind that a configuration has."""

    name: str = "none"
    count: int = 3
    rate: float = 0.5
    ready: bool = False
    words: tuple[str, ...] = ("a", "b")
    noise: tuple[float, ...] = ()


def one_line(error: BaseException) -> bool:
    return len(str(error).splitlines()) == 1


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_configuration_is_all_that_a_new_run_holds(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    create_run(folder, Settings(name="é", count=7))
    assert list(contents(folder)) == [CONFIG] == ["config.yaml"]
    assert yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8")) == {
        "name": "é",
        "count": 7,
        "rate": 0.5,
        "ready": False,
        "words": ["a", "b"],
        "noise": [],
    }


def test_a_person_can_read_it_in_the_order_of_the_fields(tmp_path: Path) -> None:
    create_run(tmp_path / "r", Settings(name="grün"))
    text = (tmp_path / "r" / CONFIG).read_text(encoding="utf-8")
    assert text.startswith("name: grün\ncount: 3\nrate: 0.5\nready: false\nwords:\n- a\n- b\n")


@settings(max_examples=50, deadline=None)
@given(
    config=st.builds(
        Settings,
        # Words that YAML would read as something else are among the texts.
        name=st.sampled_from(["none", "off", "null", "1e3", "~", "yes", ""]) | st.text("aé: #\\n'"),
        count=st.integers(),
        rate=st.floats(allow_nan=False),
        ready=st.booleans(),
        words=st.lists(st.text("ab\\ \n\t?[](|)", max_size=6), max_size=3).map(tuple),
        noise=st.lists(st.floats(0, 1), max_size=3).map(tuple),
    )
)
def test_what_is_written_is_read_back(config: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        create_run(Path(folder), config)
        read = read_run(Path(folder), Settings)
        assert read == config
        assert [type(v) for v in vars(read).values()] == [type(v) for v in vars(config).values()]


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(budget=5, cache="none", learning_rate=1e-5, env="londi/BabyAIText-Open-v0"),
        FinetuneConfig(),
    ],
)
def test_the_settings_of_a_verb_are_read_back(tmp_path: Path, config: object) -> None:
    create_run(tmp_path / "r", config)
    assert read_run(tmp_path / "r", type(config)) == config


def test_a_setting_that_is_left_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("count: 9\n")
    assert read_run(tmp_path, Settings) == Settings(count=9)


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    create_run(tmp_path / "r", Settings())
    assert read_run(tmp_path / "r", Settings) == Settings()


@pytest.mark.parametrize("what", ["a run", "other files", "a file"])
def test_what_is_there_is_left_as_it_was(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "r"
    if what == "a file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / (CONFIG if what == "a run" else "thesis.tex")).write_text("count: 1\n")
    before = contents(tmp_path)
    with pytest.raises(OutputExists, match="--overwrite") as caught:
        create_run(folder, Settings())
    assert one_line(caught.value) and repr(str(folder)) in str(caught.value)
    assert contents(tmp_path) == before


def test_overwriting_removes_all_of_the_earlier_run(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    create_run(folder, Settings(count=1))
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "state.json").write_text("{}")
    create_run(folder, Settings(count=2), overwrite=True)
    assert list(contents(folder)) == [CONFIG]
    assert read_run(folder, Settings).count == 2


def test_numpy_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {
        "count": np.int64(7),
        "rate": np.float32(0.25),
        "ready": np.bool_(True),
        "noise": (np.float64(0.5),),
    }
    create_run(tmp_path / "r", Settings(**numbers))
    expected = Settings(count=7, rate=0.25, ready=True, noise=(0.5,))
    assert read_run(tmp_path / "r", Settings) == expected


def test_a_configuration_that_cannot_be_written_removes_nothing(tmp_path: Path) -> None:
    create_run(tmp_path / "r", Settings(count=1))
    (tmp_path / "r" / "weights").write_text("dear")
    before = contents(tmp_path)
    with pytest.raises(LondiError, match=r"name: .*object") as caught:
        create_run(tmp_path / "r", Settings(name=object()), overwrite=True)  # type: ignore[arg-type]
    assert one_line(caught.value)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_full_disk_leaves_the_earlier_run(full_disk: Path) -> None:
    create_run(full_disk / "r", Settings(count=1))
    before = contents(full_disk)
    with pytest.raises(LondiError, match="No space left") as caught:
        create_run(full_disk / "r", Settings(name="x" * 100_000), overwrite=True)
    assert one_line(caught.value)
    assert contents(full_disk) == before
    assert [path.name for path in full_disk.iterdir()] == ["r"]


def test_the_run_behind_a_link_is_replaced_where_it_is(tmp_path: Path) -> None:
    create_run(tmp_path / "disk" / "r", Settings(count=1))
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "r")
    create_run(tmp_path / "link", Settings(count=2), overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert read_run(tmp_path / "disk" / "r", Settings).count == 2


HOLD = """
import sys, time
from pathlib import Path
from londi.storage.runs import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_run_is_held_by_one_command(tmp_path: Path) -> None:
    create_run(tmp_path / "r", Settings())
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "r")], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout and other.stdout.readline() == "held\n"
            before = contents(tmp_path)
            in_use = pytest.raises(RunInUse, match="in use by another")
            with in_use as caught, locked(tmp_path / "r"):
                pass
            assert one_line(caught.value)
            with pytest.raises(RunInUse):
                create_run(tmp_path / "r", Settings(), overwrite=True)
            assert contents(tmp_path) == before
        finally:
            other.kill()
    with locked(tmp_path / "r"):  # however it ended
        pass
    with locked(tmp_path / "r"):
        pass
    assert list(contents(tmp_path / "r")) == [CONFIG]


def test_only_a_run_can_be_held(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match="no run in"), locked(tmp_path):
        pass


@pytest.mark.parametrize("what", ["other files", "a foreign config.yaml", "a file"])
def test_overwriting_removes_nothing_but_a_run(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "r"
    if what == "a file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "thesis.tex").write_text("mine")
        if what != "other files":
            (folder / CONFIG).write_text("db: 1\n")
    before = contents(tmp_path)
    with pytest.raises(OutputExists, match="no run of londi") as caught:
        create_run(folder, Settings(), overwrite=True)
    assert one_line(caught.value)
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LondiError, match="cannot write to") as caught:
        create_run(tmp_path / "file" / "r", Settings())
    assert one_line(caught.value)
    assert str(caught.value).endswith("Not a directory")


def test_a_run_that_somebody_else_made_meanwhile_is_left(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputExists, match="exists"),
        making_run(tmp_path / "run", Settings) as new,
    ):
        (new / "late").write_text("x")
        create_run(tmp_path / "run", Settings(count=5))
    assert read_run(tmp_path / "run", Settings).count == 5
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_what_fails_while_a_run_is_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), making_run(tmp_path / "a" / "run", Settings) as new:
        (new / "half").write_text("x")
        _ = 1 / 0
    assert not list((tmp_path / "a").iterdir())


def test_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match=r"no run in .*config\.yaml") as caught:
        read_run(tmp_path / "nowhere", Settings)
    assert one_line(caught.value)


@pytest.mark.parametrize("text", ["a: [1", "count: 1\n  rate: 2\n: :", "\t- x", "a: \x07"])
def test_what_is_not_yaml_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(InvalidConfig, match="not YAML") as caught:
        read_run(tmp_path, Settings)
    assert one_line(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "count\n", "3"])
def test_what_has_no_keys_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(InvalidConfig, match="expected keys") as caught:
        read_run(tmp_path, Settings)
    assert one_line(caught.value)


def test_nothing_is_run_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InvalidConfig):
        read_run(tmp_path, Settings)


def test_an_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("coumt: 2\n")
    with pytest.raises(UnknownName, match="'coumt'; did you mean 'count'") as caught:
        read_run(tmp_path, Settings)
    assert one_line(caught.value) and str(tmp_path / CONFIG) in str(caught.value)


def test_a_run_of_another_kind_is_refused(tmp_path: Path) -> None:
    create_run(tmp_path / "r", FinetuneConfig())
    with pytest.raises(UnknownName):
        read_run(tmp_path / "r", TrainConfig)


def test_a_value_out_of_range_is_refused_as_anywhere_else(tmp_path: Path) -> None:
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(TrainConfig()).items()}
    (tmp_path / CONFIG).write_text(yaml.safe_dump(values | {"gamma": 2.0}))
    with pytest.raises(InvalidConfig, match="gamma: expected a number from 0 to 1"):
        read_run(tmp_path, TrainConfig)
