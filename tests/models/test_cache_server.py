"""Answers on a server for several machines, on a real Redis and a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import postgres_server
import redis_server
from answer_servers import AnswerServer, PostgresAnswersServer, RedisAnswersServer
from londi.config.addresses import CACHE_PASSWORD
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError, ModelError
from londi.learning.trainer import train
from londi.models.cache import AnswerStore, CachedModel, CacheStats
from londi.models.pair import ModelPair
from londi.types import Reply, Usage
from models.players import Counting, Scripted, assert_same
from playthings import TOY, Corridor, deepthink, quick, same
from together import run_together


@pytest.fixture(scope="module", params=["redis", "postgres"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AnswerServer]:
    if not (redis_server if request.param == "redis" else postgres_server).installed():
        pytest.skip(f"{request.param} or its package is not installed")
    made = (
        RedisAnswersServer(tmp_path_factory.mktemp("redis"))
        if request.param == "redis"
        else PostgresAnswersServer()
    )
    with made as server:
        yield server


@pytest.fixture
def server(running: AnswerServer, monkeypatch: pytest.MonkeyPatch) -> AnswerServer:
    running.empty()
    monkeypatch.setenv(CACHE_PASSWORD, running.password)
    return running


def test_answers_outlast_the_process(
    lm: Counting, prompts: list[Prompt], server: AnswerServer
) -> None:
    store = AnswerStore(server.url)
    given = CachedModel(lm, store).act(prompts)
    store.close()

    store = AnswerStore(server.url)
    assert_same(CachedModel(lm, store).act(prompts), given)
    assert lm.asked == prompts
    assert store.stats == CacheStats(hits=5, misses=0)
    store.close()


def test_nothing_is_written_before_commit(
    lm: Counting, prompts: list[Prompt], server: AnswerServer
) -> None:
    store = AnswerStore(server.url)
    cached = CachedModel(lm, store)
    cached.act(prompts[:2])
    assert server.count() == 0
    store.commit()
    assert server.count() == 2
    cached.act(prompts)
    assert server.count() == 2
    store.close()
    assert server.count() == 5


def test_two_open_stores_meet_there(
    lm: Counting, prompts: list[Prompt], server: AnswerServer
) -> None:
    one, two = AnswerStore(server.url), AnswerStore(server.url)
    given = CachedModel(lm, one).act(prompts)
    CachedModel(lm, two).act(prompts[:2])  # not committed yet, so asked again
    assert lm.asked == [*prompts, *prompts[:2]]
    one.commit()
    assert_same(CachedModel(lm, two).act(prompts[2:]), given[2:])
    assert len(lm.asked) == 7
    two.commit()  # what both have learned is no conflict
    one.close()
    two.close()
    assert server.count() == 5


def test_the_answer_that_is_there_stays(prompts: list[Prompt], server: AnswerServer) -> None:
    early, late = (Reply("x", 0.0, 1.0, Usage(1, 1, seconds)) for seconds in (1.0, 2.0))
    one, two = AnswerStore(server.url), AnswerStore(server.url)
    CachedModel(Scripted(early), one).act(prompts[:1])
    CachedModel(Scripted(late), two).act(prompts[:1])
    one.close()
    two.close()
    store = AnswerStore(server.url)
    assert_same(CachedModel(Scripted(), store).act(prompts[:1]), [early])
    store.close()


def test_a_store_that_was_closed_goes_on(server: AnswerServer) -> None:
    store = AnswerStore(server.url)
    store.commit()
    store.close()
    store.close()
    store.put(b"key", b"value")
    store.commit()
    assert server.count() == 1
    store.close()


def test_something_else_is_refused_and_left_alone(server: AnswerServer) -> None:
    server.misuse()
    for _ in range(2):
        with pytest.raises(LondiError, match=r"cannot use the answer cache .*(else|another kind)"):
            AnswerStore(server.url)


@pytest.mark.parametrize("value", [b"", b"no JSON", b'["x", null, 1, 1, 1, 1, 1, 1]'])
def test_a_damaged_answer_is_named_in_one_line(
    prompts: list[Prompt], server: AnswerServer, value: bytes
) -> None:
    store = AnswerStore(server.url)
    CachedModel(Scripted(Reply("x", 0.0, 1.0, Usage(1))), store).act(prompts[:1])
    store.close()
    server.spoil(value)
    store = AnswerStore(server.url)
    with pytest.raises(ModelError, match=r"model .scripted.: ") as caught:
        CachedModel(Scripted(), store).act(prompts[:1])
    assert len(str(caught.value).splitlines()) == 1
    store.close()


def test_processes_that_begin_at_once_lose_nothing(server: AnswerServer) -> None:
    """Each makes the tables if they are not there, and writes answers that others write too."""
    code = (
        "import sys\n"
        "from londi.models.cache import AnswerStore\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for k in range(10):\n"
        "    store = AnswerStore(sys.argv[1])\n"
        "    order = range(50) if int(sys.argv[2]) % 2 else reversed(range(50))\n"
        "    for shared in order:\n"
        "        store.put(f'{k} {shared}'.encode(), b'value')\n"
        "    store.put(f'{k} own {sys.argv[2]}'.encode(), b'value')\n"
        "    store.close()\n"
    )
    run_together(code, server.url, 4)
    assert server.count() == 10 * (50 + 4)


def test_a_server_that_is_down_says_so_in_one_line(server: AnswerServer) -> None:
    store = AnswerStore(server.url)
    store.put(b"key", b"value")
    server.stop()
    try:
        for attempt in (lambda: store.find([b"other"]), store.commit):
            with pytest.raises(LondiError, match="cannot use the answer cache") as caught:
                attempt()
            assert len(str(caught.value).splitlines()) == 1
            assert server.password not in str(caught.value)
        with pytest.raises(LondiError, match="cannot use the answer cache"):
            AnswerStore(server.url)
    finally:
        server.start()
    store.commit()  # what could not be written is still there
    assert server.count() == 1
    store.close()


def test_a_lost_connection_is_made_again(server: AnswerServer) -> None:
    store = AnswerStore(server.url)
    store.put(b"key", b"value")
    store.commit()
    server.stop()
    server.start()
    assert store.find([b"other"]) == {}
    store.close()


@pytest.mark.parametrize("given", ["", "another"])
def test_a_wrong_password_is_refused_and_not_told(
    server: AnswerServer, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_PASSWORD, given)
    with pytest.raises(LondiError, match="cannot use the answer cache") as caught:
        AnswerStore(server.url)
    assert len(str(caught.value).splitlines()) == 1
    assert server.password not in str(caught.value) and "another" not in str(caught.value)


def test_an_address_with_a_password_is_refused_before_anybody_is_asked(
    server: AnswerServer,
) -> None:
    scheme, _, place = server.url.partition("://")
    with pytest.raises(InvalidConfig, match=CACHE_PASSWORD) as caught:
        AnswerStore(f"{scheme}://user:{server.password}@{place.rpartition('@')[2]}")
    assert server.password not in str(caught.value)


def test_something_that_is_no_server_of_its_kind_is_refused(server: AnswerServer) -> None:
    scheme, _, place = server.url.partition("://")
    with pytest.raises(LondiError, match="cannot use the answer cache") as caught:
        if scheme == "redis":
            AnswerStore(f"postgresql://{place}?connect_timeout=2")
        else:
            AnswerStore(f"redis://{place.partition('/')[0]}/0")
    assert len(str(caught.value).splitlines()) == 1


def test_a_statement_that_waits_for_a_lock_is_given_up(server: AnswerServer) -> None:
    if not isinstance(server, PostgresAnswersServer):
        pytest.skip("Redis has no locks")
    AnswerStore(server.url).close()
    # What the address says comes before londi's own setting, which is a minute.
    store = AnswerStore(f"{server.url}?options=-c%20statement_timeout%3D50ms")
    with server.client() as other:
        other.execute("LOCK TABLE londi_answers")
        with pytest.raises(LondiError, match="statement timeout"):
            store.find([b"key"])
    assert store.find([b"key"]) == {}
    store.close()


def test_a_value_that_is_no_text_is_refused(server: AnswerServer) -> None:
    if not isinstance(server, RedisAnswersServer):
        pytest.skip("a column of Postgres has one type")
    store = AnswerStore(server.url)
    with server._client() as other:
        other.rpush("londi:answers:key", "a list")
    with pytest.raises(LondiError, match="WRONGTYPE") as caught:
        store.find([b"key"])
    assert len(str(caught.value).splitlines()) == 1
    store.close()


def test_a_training_is_the_same_and_its_folder_has_no_password(
    server: AnswerServer, tmp_path: Path
) -> None:
    config = replace(TOY, steps=200, warmup=100, checkpoint_every=100, cache=server.url)
    for name, store in (("here", AnswerStore()), ("there", AnswerStore(server.url))):
        train(config, tmp_path / name, pair=ModelPair(quick(), deepthink(), Corridor, store))
    assert same(tmp_path / "here", tmp_path / "there")
    assert server.count() > 0
    assert server.url in (tmp_path / "there" / "config.yaml").read_text(encoding="utf-8")
    for file in (tmp_path / "there").rglob("*"):
        assert file.is_dir() or server.password.encode() not in file.read_bytes(), file
