"""State on disk: it comes back as it was, and is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.errors import DamagedFile
from londi.storage import checkpoint
from londi.storage.checkpoint import has_state, load_state, save_state


def same(a: Any, b: Any) -> bool:
    """Equal in value, type, number format and shape, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    return bool(a == b)


SHAPES = st.lists(st.integers(0, 3), max_size=3)
TENSORS = st.builds(
    lambda shape, dtype: torch.ones(shape).to(dtype),
    SHAPES,
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8]),
)
ARRAYS = st.builds(
    lambda shape, dtype: np.ones(shape, dtype),
    SHAPES,
    st.sampled_from(["float64", "float32", "int64", "bool"]),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
STATES = st.recursive(
    PLAIN | TENSORS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 99), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(state=st.dictionaries(st.text(max_size=4), STATES, max_size=4))
def test_what_is_saved_comes_back(state: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder) / "state", state)
        assert same(load_state(Path(folder) / "state"), state)


def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def made() -> tuple[torch.nn.Linear, torch.optim.AdamW]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def learn(layer: torch.nn.Linear, optimizer: torch.optim.AdamW, steps: int) -> None:
        for k in range(steps):
            layer(torch.full((1, 3), 1.0 + k)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    first, optimizer = made()
    learn(first, optimizer, 3)
    save_state(tmp_path / "s", {"model": first.state_dict(), "optimizer": optimizer.state_dict()})
    learn(first, optimizer, 4)

    second, resumed = made()
    state = load_state(tmp_path / "s")
    second.load_state_dict(state["model"])
    resumed.load_state_dict(state["optimizer"])
    learn(second, resumed, 4)
    assert torch.equal(first.weight, second.weight)


def test_tensors_that_share_memory_are_kept_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    save_state(
        tmp_path / "s", {"a": whole, "b": whole, "part": whole[::2], "t": whole.view(2, 3).T}
    )
    state = load_state(tmp_path / "s")
    assert same(state["a"], whole) and same(state["b"], whole)
    assert state["part"].tolist() == [0, 2, 4]
    assert state["t"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_keys_that_read_alike_are_kept_apart(tmp_path: Path) -> None:
    zero, one, two = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    state = {"a": {"b": zero}, "a/b": one, 1: zero, "1": one, "__metadata__": two}
    save_state(tmp_path / "s", state)
    assert same(load_state(tmp_path / "s"), state)


def test_a_loaded_array_can_be_written_to(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"a": np.zeros(3)})
    array = load_state(tmp_path / "s")["a"]
    array += 1
    assert array.tolist() == [1, 1, 1]


def test_saving_again_replaces_everything(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"step": 1, "gone": torch.ones(2)})
    save_state(tmp_path / "s", {"step": 2})
    assert load_state(tmp_path / "s") == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_has_state(tmp_path: Path) -> None:
    assert not has_state(tmp_path / "s")
    (tmp_path / "s").mkdir()
    assert not has_state(tmp_path / "s")
    save_state(tmp_path / "s", {})
    assert has_state(tmp_path / "s")


def killed(dies_in: str, folder: Path, state: dict[str, Any]) -> None:
    """Save in a process of its own that is killed inside `dies_in`: nothing is cleaned up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's threads are not used there
        child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "it was not killed"
        return
    renames = 0
    rename, rmtree = Path.rename, shutil.rmtree

    def die(*_: object, **__: object) -> Any:
        os._exit(9)

    def renaming(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        return die() if dies_in == f"rename {renames}" else rename(self, target)

    def removing(path: Path, **kwargs: Any) -> None:
        if renames == 2 and dies_in == "rmtree":
            die()
        rmtree(path, **kwargs)

    try:
        if dies_in == "save_file":
            checkpoint.save_file = die
        if dies_in == "fsync":
            os.fsync = die
        Path.rename = renaming  # type: ignore[method-assign,assignment]
        shutil.rmtree = removing  # type: ignore[assignment]
        save_state(folder, state)
    finally:
        os._exit(1)


@pytest.mark.parametrize("dies_in", ["save_file", "fsync", "rename 1", "rename 2", "rmtree"])
@pytest.mark.parametrize("stale", [False, True])
def test_a_kill_at_any_point_leaves_the_old_or_the_new_state(
    tmp_path: Path, dies_in: str, stale: bool
) -> None:
    folder = tmp_path / "s"
    save_state(folder, {"step": 1, "w": torch.ones(1)})
    if stale:  # what an earlier kill left behind
        for suffix in (".part", ".old"):
            (tmp_path / f"s{suffix}").mkdir()
            (tmp_path / f"s{suffix}" / "junk").write_text("junk")
    killed(dies_in, folder, {"step": 2, "w": torch.ones(1)})
    assert has_state(folder)
    assert load_state(folder)["step"] == (2 if dies_in == "rmtree" else 1)
    # A second kill before the first rename loses nothing either.
    killed("save_file", folder, {"step": 3})
    assert has_state(folder)
    assert load_state(folder)["step"] in (1, 2)
    save_state(folder, {"step": 4})
    assert load_state(folder) == {"step": 4}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def structure(folder: Path, value: object) -> None:
    (folder / "state.json").write_text(json.dumps(value))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no json": lambda s: (s / "state.json").write_text('{"dict": [["a"'),
    "no text": lambda s: (s / "state.json").write_bytes(b"\xff\xfe\x00"),
    "empty": lambda s: (s / "state.json").write_text(""),
    "a list": lambda s: structure(s, [1, 2]),
    "a number": lambda s: structure(s, 3),
    "null": lambda s: structure(s, None),
    "no kind": lambda s: structure(s, {}),
    "two kinds": lambda s: structure(s, {"dict": [], "list": []}),
    "unknown kind": lambda s: structure(s, {"pickle": []}),
    "no pairs": lambda s: structure(s, {"dict": [["a"], "b"]}),
    "a dict as a number": lambda s: structure(s, {"dict": 3}),
    "a list as a dict": lambda s: structure(s, {"list": {"a": 1}}),
    "a list for a state": lambda s: structure(s, {"list": []}),
    "a key that is a list": lambda s: structure(s, {"dict": [[[1], 2]]}),
    "another depth": lambda s: structure(s, {"dict": [["w", ["0/w"]]]}),
    "too deep": lambda s: (s / "state.json").write_text('{"list": [' * 9999 + "]}" * 9999),
    "a tensor that is missing": lambda s: structure(s, {"dict": [["w", {"tensor": "1/w"}]]}),
    "a tensor without a name": lambda s: structure(s, {"dict": [["w", {"tensor": [0]}]]}),
    "a tensor that nobody names": lambda s: structure(s, {"dict": [["step", 1]]}),
    "tensors cut short": lambda s: os.truncate(s / "state.safetensors", 60),
    "no tensors": lambda s: (s / "state.safetensors").unlink(),
    "no structure": lambda s: (s / "state.json").unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_state_is_one_line(tmp_path: Path, how: str) -> None:
    save_state(tmp_path / "s", {"w": torch.ones(20), "step": 1})
    DAMAGE[how](tmp_path / "s")
    with pytest.raises(DamagedFile) as caught:
        load_state(tmp_path / "s")
    assert len(str(caught.value).splitlines()) == 1
    assert repr(str(tmp_path / "s")) in str(caught.value)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"step": 1, "learner": {}})
    assert load_state(tmp_path / "s", {"step": int, "learner": dict})["step"] == 1
    for expected in ({"switcher": dict}, {"step": dict}):
        with pytest.raises(DamagedFile, match=r"expected '(switcher|step)' of type dict"):
            load_state(tmp_path / "s", expected)


def test_there_is_no_pickle_in_it(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"w": torch.ones(2), "name": "x"})
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "state.json",
        "state.safetensors",
    ]
    json.loads((tmp_path / "s" / "state.json").read_text())
    with pytest.raises(TypeError):
        save_state(tmp_path / "t", {"what": object()})
    assert not has_state(tmp_path / "t")
