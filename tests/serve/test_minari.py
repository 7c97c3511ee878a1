"""Logged steps as a dataset of Minari: nothing is lost, and other libraries read it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.calling import call
from londi.encoders.text import TextEncoder
from londi.errors import DamagedFile, InvalidConfig, LondiError, OutputExists
from londi.learning.dataset import OfflineDataset
from londi.serve.logged import TraceLog, read_log
from londi.serve.minari import export_minari, import_minari, read_dataset, write_dataset
from londi.storage.trace_tables import Row
from londi.storage.traces import as_json, read_traces, write_traces
from londi.switching.observation import ObservationLayout
from traced_corridor import ROOMS, record

SIZE = ObservationLayout(TextEncoder.size).size


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("traces") / "traces.db", sessions=12, by_step=True)


@pytest.fixture(scope="module")
def folder(traces: Path) -> Path:
    out = traces.with_name("corridor-v0")
    written = export_minari(traces, out)
    assert (written.sessions, written.steps, written.left_out) == (12, 12 * ROOMS, 0)
    return out


def same(one: TraceLog, other: TraceLog) -> None:
    for field in fields(OfflineDataset):
        left, right = getattr(one.steps, field.name), getattr(other.steps, field.name)
        assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f"), field.name
    assert np.array_equal(one.money, other.money, equal_nan=True)
    assert (one.sessions, one.arms, one.models) == (other.sessions, other.arms, other.models)


def step(session: str, k: int, **told: object) -> Row:
    rng = np.random.default_rng(k)
    row: Row = {
        "session": session,
        "step": k,
        "candidates": as_json(["small", "large"]),
        "choice": 1,
        "propensity": 0.5,
        "reason": "policy",
        "observation": rng.normal(size=SIZE).astype("<f4").tobytes(),
        "encoder": "text",
    }
    return row | told


def written(file: Path, steps: list[Row], feedback: dict[str, float]) -> Path:
    values = [
        ("feedback", {"session": session, "step": None, "time": 0.0, "value": value})
        for session, value in feedback.items()
    ]
    write_traces(file, [*(("steps", row) for row in steps), *values])
    return file


def test_logged_steps_come_back_as_they_were(traces: Path, folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.db"
    written = import_minari(folder, again)
    assert (written.sessions, written.steps) == (12, 12 * ROOMS)
    same(read_log(traces, TextEncoder()), read_log(again, TextEncoder()))


def test_minari_reads_it_by_its_name(
    traces: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder.parent))
    dataset = minari.load_dataset("corridor-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (12, 12 * ROOMS)
    assert dataset.action_space == Discrete(2) and dataset.observation_space.shape == (SIZE,)
    log = read_log(traces, TextEncoder())
    for k, episode in enumerate(dataset.iterate_episodes()):
        rows = slice(ROOMS * k, ROOMS * (k + 1))
        assert (episode.observations[:-1] == log.steps.observation[rows]).all()
        assert not episode.observations[-1].any()
        assert (episode.actions == log.steps.choice[rows]).all()
        assert (episode.rewards == log.steps.reward[rows]).all()
        assert episode.terminations.tolist() == [False] * (ROOMS - 1) + [True]
        assert not episode.truncations.any()
        assert episode.infos["propensity"][:-1].tolist() == [0.5] * ROOMS
        assert episode.infos["allowed"].all()
        assert episode.infos["session"][0].decode() == f'"{log.sessions[k]}"'


def test_unknown_numbers_forced_choices_and_arms_come_back(tmp_path: Path) -> None:
    steps = [
        step("a", 0, propensity=None, money=0.25, arm="treated"),
        step("a", 1, choice=0, propensity=1.0, reason="budget", arm="treated"),
        step("b", 0, propensity=0.125, money=0.0),
    ]
    file = written(tmp_path / "a.db", steps, {"a": 0.3, "b": 0.0})
    export_minari(file, tmp_path / "out")
    import_minari(tmp_path / "out", tmp_path / "b.db")
    log = read_log(tmp_path / "b.db", TextEncoder())
    assert log.steps.allowed.tolist() == [[True, True], [True, False], [True, True]]
    assert log.steps.reward.tolist() == [0.0, np.float32(0.3), 0.0]
    assert log.arms == ("treated", None) and log.money[[0, 2]].tolist() == [0.25, 0.0]
    assert np.isnan(log.steps.propensity[0]) and np.isnan(log.money[1])
    same(read_log(file, TextEncoder()), log)


def test_stored_features_of_another_encoder_are_kept(tmp_path: Path) -> None:
    seen = np.arange(9, dtype="<f4").tobytes()
    row = step("a", 0, encoder="sentence:some/model", observation=seen)
    export_minari(written(tmp_path / "a.db", [row], {"a": 1.0}), tmp_path / "out")
    import_minari(tmp_path / "out", tmp_path / "b.db")
    (again,) = read_traces(tmp_path / "b.db", "steps")
    assert (again["encoder"], again["observation"]) == ("sentence:some/model", seen)


NAMES = st.text(min_size=1) | st.sampled_from(["\0", '"', "a/b", "null", " ", "é\u2028", "'; --"])


@settings(max_examples=40)
@given(names=st.lists(NAMES, min_size=1, max_size=3, unique=True), arm=st.none() | NAMES)
def test_odd_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], arm: str | None
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    models = as_json([f"{names[0]} small", names[-1]])
    steps = [step(name, 0, arm=arm, candidates=models) for name in names]
    file = written(folder / "a.db", steps, dict.fromkeys(names, 1.0))
    log = read_log(file, TextEncoder())
    assert log.sessions == tuple(names)
    export_minari(file, folder / "out")
    import_minari(folder / "out", folder / "b.db")
    same(log, read_log(folder / "b.db", TextEncoder()))


def test_datasets_that_minari_has_joined_are_read(
    traces: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = record(tmp_path / "other.db", sessions=3, seed=1)
    export_minari(other, folder.with_name("other-v0"))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder.parent))
    both = [minari.load_dataset(name) for name in ("corridor-v0", "other-v0")]
    minari.combine_datasets(both, "both-v0")
    joined = folder.with_name("both-v0")
    with pytest.raises(InvalidConfig, match="expected the names of QUICK and DEEPTHINK"):
        read_dataset(joined)
    log, encoder = read_dataset(joined, ("small", "large"))
    one, two = (read_log(file, TextEncoder()) for file in (traces, other))
    assert encoder == "text" and log.sessions == one.sessions + two.sessions
    assert (log.steps.reward == np.append(one.steps.reward, two.steps.reward)).all()


def test_an_episode_that_a_limit_ended_is_truncated(traces: Path, tmp_path: Path) -> None:
    log = read_log(traces, TextEncoder())
    log.steps.terminated[ROOMS - 1] = False
    write_dataset(log, "text", tmp_path / "data")
    first, second, *_ = minari.MinariDataset(tmp_path / "data").iterate_episodes()
    assert first.truncations.tolist() == [False] * (ROOMS - 1) + [True]
    assert not first.terminations.any() and not second.truncations.any()


def test_a_file_is_exported_and_imported_by_commands(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, again = str(tmp_path / "steps-v0"), str(tmp_path / "again.db")
    assert call("traces", "export", str(traces), "--format", "minari", "--out", folder) == 0
    assert call("traces", "import", folder, "--format", "minari", "--out", again) == 0
    said = capsys.readouterr().out
    assert said == f"{folder}: 12 sessions, 48 steps\n{again}: 12 sessions, 48 steps\n"
    assert call("traces", "import", folder, "--format", "minari", "--out", again) == 2
    assert "exists; give --overwrite" in capsys.readouterr().err


def foreign(folder: Path, *, episodes: int = 1) -> Path:
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    folder.mkdir()
    storage = MinariStorage.new(folder / "data", Box(0, 1, (2,), np.float32), Discrete(2))
    storage.update_metadata({"dataset_id": "foreign-v0", "minari_version": "0.5.4"})
    one = EpisodeBuffer(
        observations=np.zeros((2, 2), np.float32),
        actions=np.zeros(1, int),
        rewards=[1.0],
        terminations=[True],
        truncations=[False],
    )
    storage.update_episodes([one] * episodes)
    return folder


def test_other_data_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.db"
    with pytest.raises(LondiError, match="there is no folder"):
        import_minari(tmp_path / "nowhere", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DamagedFile, match="holds no dataset of Minari"):
        import_minari(tmp_path / "empty", out)
    for count in (0, 1):
        with pytest.raises(DamagedFile, match="expected a dataset that londi has exported") as said:
            import_minari(
                foreign(tmp_path / f"f{count}", episodes=count), out, candidates=("s", "l")
            )
        assert "\n" not in str(said.value)
    with pytest.raises(OutputExists):
        export_minari(tmp_path / "no.db", folder)
    assert not out.exists()


def test_a_damaged_file_is_refused(traces: Path, tmp_path: Path) -> None:
    export_minari(traces, tmp_path / "out")
    file = tmp_path / "out" / "data" / "main_data.hdf5"
    with h5py.File(file, "a") as data:
        data["episode_0/actions"][0] = 2
    with pytest.raises(DamagedFile, match="actions are 0 or 1"):
        import_minari(tmp_path / "out", tmp_path / "out.db")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DamagedFile, match="holds no dataset of Minari"):
        import_minari(tmp_path / "out", tmp_path / "out.db")
    assert not (tmp_path / "out.db").exists()


@pytest.mark.parametrize("package", ["minari", "h5py", "PIL"])
def test_the_extra_is_named_where_a_package_is_missing(
    package: str,
    traces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    out = str(tmp_path / "out")
    assert call("traces", "export", str(traces), "--format", "minari", "--out", out) == 2
    assert capsys.readouterr().err.strip().endswith("run: pip install 'londi[minari]'")
    assert not Path(out).exists()
