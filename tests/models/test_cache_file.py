"""The file that answers are kept in: what outlasts a process, and what is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from londi.envs.prompt import Prompt
from londi.errors import LondiError, ModelError
from londi.models.cache import AnswerStore, CachedModel, CacheStats
from londi.types import Reply, Usage
from models.players import Counting, Scripted, assert_same
from together import run_together


def rows_in(file: Path) -> int:
    """Answers that somebody else who opens the file would see."""
    db = sqlite3.connect(file)
    try:
        return int(db.execute("SELECT COUNT(*) FROM answers").fetchone()[0])
    finally:
        db.close()


def test_answers_outlast_the_process(lm: Counting, prompts: list[Prompt], tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.sqlite"
    store = AnswerStore(file)
    given = CachedModel(lm, store).act(prompts)
    store.close()

    store = AnswerStore(file)
    assert_same(CachedModel(lm, store).act(prompts), given)
    assert lm.asked == prompts
    assert store.stats == CacheStats(hits=5, misses=0)
    store.close()


def test_nothing_is_written_before_commit(
    lm: Counting, prompts: list[Prompt], tmp_path: Path
) -> None:
    file = tmp_path / "answers.sqlite"
    store = AnswerStore(file)
    cached = CachedModel(lm, store)
    cached.act(prompts[:2])
    assert rows_in(file) == 0
    store.commit()
    assert rows_in(file) == 2
    cached.act(prompts)
    assert rows_in(file) == 2
    store.close()
    assert rows_in(file) == 5


def test_two_open_stores_meet_in_the_file(
    lm: Counting, prompts: list[Prompt], tmp_path: Path
) -> None:
    file = tmp_path / "answers.sqlite"
    one, two = AnswerStore(file), AnswerStore(file)
    given = CachedModel(lm, one).act(prompts)
    CachedModel(lm, two).act(prompts[:2])  # not committed yet, so asked again
    assert lm.asked == [*prompts, *prompts[:2]]
    one.commit()
    assert_same(CachedModel(lm, two).act(prompts[2:]), given[2:])
    assert len(lm.asked) == 7
    two.commit()  # what both have learned is no conflict
    one.close()
    two.close()
    assert rows_in(file) == 5


def test_the_answer_in_the_file_stands(prompts: list[Prompt], tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    early, late = (Reply("x", 0.0, 1.0, Usage(1, 1, seconds)) for seconds in (1.0, 2.0))
    one, two = AnswerStore(file), AnswerStore(file)
    CachedModel(Scripted(early), one).act(prompts[:1])
    CachedModel(Scripted(late), two).act(prompts[:1])
    one.close()
    two.close()
    store = AnswerStore(file)
    assert_same(CachedModel(Scripted(), store).act(prompts[:1]), [early])
    store.close()


def test_a_commit_of_nothing_and_a_second_close_do_no_harm(tmp_path: Path) -> None:
    for store in (AnswerStore(), AnswerStore(tmp_path / "answers.sqlite")):
        store.commit()
        store.close()
        store.commit()
        store.close()


def test_without_a_file_nothing_touches_the_disk(
    lm: Counting, prompts: list[Prompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = AnswerStore()
    CachedModel(lm, store).act(prompts)
    store.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["a directory", "garbage", "below a file"])
def test_an_unusable_file_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    file = tmp_path / "answers.sqlite"
    if what == "a directory":
        file.mkdir()
    else:
        file.write_bytes(b"no database at all\n" * 50)
    if what == "below a file":
        file = file / "answers.sqlite"
    with pytest.raises(LondiError, match="answer cache") as caught:
        AnswerStore(file)
    assert repr(str(file)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    if what == "garbage":
        assert file.read_bytes() == b"no database at all\n" * 50


@pytest.mark.parametrize("where", ["below", "beside"])
def test_a_cache_that_cannot_be_made_is_refused_at_once(tmp_path: Path, where: str) -> None:
    """B7: before a run has written its configuration, and also where its folder is yet to come."""
    long = "x" * 300
    file = tmp_path / "run" / long if where == "below" else tmp_path / long / "answers.sqlite"
    with pytest.raises(LondiError, match="answer cache") as caught:
        AnswerStore(file)
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match="answer cache"):
        AnswerStore(tmp_path / "a\x00b" / "answers.sqlite")


def test_the_folder_of_a_run_to_come_is_left_for_it_to_make(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "run" / "answers.sqlite")
    assert not list(tmp_path.iterdir())
    store.put(b"key", b"value")
    store.close()
    assert rows_in(tmp_path / "run" / "answers.sqlite") == 1


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE bookmarks (url TEXT)",
        "CREATE TABLE answers (key BLOB PRIMARY KEY, value BLOB, when_made TEXT)",
        "CREATE TABLE answers (question TEXT, answer TEXT)",
    ],
)
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path, made: str) -> None:
    file = tmp_path / "other.sqlite"
    with sqlite3.connect(file) as db:
        db.execute(made)
    db.close()
    before = file.read_bytes()
    with pytest.raises(LondiError, match="a database of something else") as caught:
        AnswerStore(file)
    assert len(str(caught.value).splitlines()) == 1
    assert file.read_bytes() == before


@pytest.mark.parametrize("value", [b"", b"no JSON", b"[]", b'["x", null, 1, 1, 1, 1, 1, 1]'])
def test_an_answer_that_cannot_be_read_is_named_in_one_line(
    prompts: list[Prompt], tmp_path: Path, value: bytes
) -> None:
    file = tmp_path / "answers.sqlite"
    store = AnswerStore(file)
    CachedModel(Scripted(Reply("x", 0.0, 1.0, Usage(1))), store).act(prompts[:1])
    store.close()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE answers SET value = ?", (value,))
    db.close()
    store = AnswerStore(file)
    with pytest.raises(ModelError) as caught:
        CachedModel(Scripted(), store).act(prompts[:1])
    assert len(str(caught.value).splitlines()) == 1 and "'scripted'" in str(caught.value)
    store.close()


def test_processes_that_make_one_cache_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """B5: each of them opens the new file, and keeps an answer of its own there."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from londi.models.cache import AnswerStore\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for k in range(20):\n"
        "    store = AnswerStore(Path(sys.argv[1]) / f'{k}.sqlite')\n"
        "    store.put(sys.argv[2].encode(), b'value')\n"
        "    store.close()\n"
    )
    run_together(code, str(tmp_path), 4)
    assert [rows_in(tmp_path / f"{k}.sqlite") for k in range(20)] == [4] * 20


def test_the_file_is_let_go_also_where_the_commit_fails(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    store = AnswerStore(file)
    store.put(b"key", b"value")
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE answers")
    db.close()
    with pytest.raises(LondiError, match="answer cache"):
        store.close()
    with sqlite3.connect(file, timeout=0) as db:  # nobody holds it any more
        db.execute("PRAGMA journal_mode=DELETE").fetchone()
        db.execute("CREATE TABLE other (x)")
    db.close()
