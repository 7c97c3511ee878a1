"""Exported graphs and the folder they are kept in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from londi.models.hf.onnx import export
from londi.models.hf.onnx.backend import use_backend
from londi.models.hf.onnx.export import stored
from models.hf.onnx.conftest import MakeModel


def kept(fingerprint: str, part: str, make: Callable[[], bytes]) -> bytes:
    return stored(fingerprint, part, make, bytes)


def test_a_graph_is_made_once(graphs: Path) -> None:
    made: list[str] = []

    def make(text: str) -> Callable[[], bytes]:
        def graph() -> bytes:
            made.append(text)
            return text.encode()

        return graph

    assert kept("a", "read", make("one")) == b"one"
    assert kept("a", "read", make("two")) == b"one"
    assert kept("a", "score", make("three")) == b"three"
    assert kept("b", "read", make("four")) == b"four"
    assert made == ["one", "three", "four"]
    assert len(list(graphs.glob("*.onnx"))) == len(list(graphs.iterdir())) == 3


def test_a_graph_of_another_version_is_made_anew(
    graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept("a", "read", lambda: b"old")
    monkeypatch.setattr(export, "_FORMAT", -1)
    assert kept("a", "read", lambda: b"new") == b"new"


def test_a_failed_export_leaves_nothing(graphs: Path) -> None:
    def fail() -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        kept("a", "read", fail)
    assert kept("a", "read", lambda: b"whole") == b"whole"


KILLED = """
import os, signal, sys
from pathlib import Path
from londi.models.hf.onnx import export

def half(file, data, write=Path.write_bytes):
    write(file, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

export.FOLDER, Path.write_bytes = Path(sys.argv[1]), half
export.stored("a", "score", lambda: b"x" * 1000, bytes)
"""


def test_a_kill_while_a_graph_is_written_leaves_the_cache_usable(graphs: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(graphs)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert any(graphs.iterdir()) and not list(graphs.glob("*.onnx"))
    assert kept("a", "score", lambda: b"whole") == b"whole"
    assert kept("a", "score", lambda: b"another") == b"whole"


def test_a_folder_that_cannot_be_written_is_said_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(export, "FOLDER", tmp_path / "file" / "graphs")
    with pytest.warns(UserWarning, match="cannot be kept, and is exported anew"):
        assert kept("a", "read", lambda: b"graph") == b"graph"


def test_several_at_once_agree(graphs: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda k: kept("a", "read", lambda: b"x" * 10_000), range(32)))
    assert found == {b"x" * 10_000}
    assert len(os.listdir(graphs)) == 1


def test_a_damaged_graph_is_made_anew(make_model: MakeModel, graphs: Path) -> None:
    model = make_model()
    use_backend(model, "onnx")
    files = sorted(graphs.iterdir())
    sizes = [file.stat().st_size for file in files]
    for file in files:
        file.write_bytes(b"damaged")
    model.engine = None
    use_backend(model, "onnx")
    assert [file.stat().st_size for file in files] == sizes


def test_the_model_is_as_it_was(make_model: MakeModel, graphs: Path) -> None:
    model = make_model("llama")
    before = model.model.config._attn_implementation
    use_backend(model, "onnx")
    assert model.model.config._attn_implementation == before
    assert not model.model._forward_pre_hooks
