"""Ledgers: budgets hold in any order, in any number of threads and processes, and after a kill."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple
from functools import partial
from math import inf
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import redis_server
from londi.config.serve import BudgetConfig, ServeConfig, UpstreamConfig
from londi.errors import DamagedFile, InvalidConfig, LondiError
from londi.serve.core.budget import DAY as DAY_SECONDS
from londi.serve.core.budget import KEPT, Amount, Ledger, MemoryLedger, Scope, amount_left
from londi.serve.ledgers import PAUSE, FailClosed, SqliteLedger, open_ledger
from londi.serve.steps import StepRouter
from together import run_together

SESSION = Scope("session:a", Amount(3, 1000, inf))
DAY = Scope("day:2026-01-01", Amount(inf, inf, 100))
Open = Callable[[], Ledger]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """The address of a Redis; None where there is none."""
    if not redis_server.installed():
        yield None
        return
    with redis_server.served(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path, redis: str | None) -> Iterator[str]:
    """Where an empty ledger is."""
    if request.param == "memory":
        yield ""
    elif request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
    elif redis is None:
        pytest.skip("redis-server or redis is not installed")
    else:
        import redis as client

        yield redis
        with client.Redis.from_url(redis) as connection:
            connection.flushall()


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    found = open_ledger(place)
    yield found
    found.close()


def test_a_reservation_is_of_all_budgets_or_of_none(ledger: Ledger) -> None:
    bound = Amount(1, 600, 40)
    assert ledger.reserve([SESSION, DAY], bound)
    assert not ledger.reserve([SESSION, DAY], bound), "the session has no 600 tokens left"
    assert ledger.taken(DAY) == ledger.taken(SESSION) == bound
    other = Scope("session:b", Amount(inf, inf, inf))
    assert ledger.reserve([other, DAY], bound)
    assert not ledger.reserve([other, DAY], bound), "the day has no 40 left"
    assert ledger.taken(other) == bound
    ledger.settle([SESSION, DAY], bound, Amount(1, 100, 5))
    assert ledger.taken(SESSION) == Amount(1, 100, 5)
    assert ledger.taken(DAY) == Amount(2, 700, 45)
    assert ledger.reserve([SESSION, DAY], bound)


def test_a_new_scope_has_taken_nothing(ledger: Ledger) -> None:
    assert ledger.taken(Scope("session:new", Amount(1))) == Amount()
    assert ledger.reserve([], Amount(1, 1, 1)), "without budgets anything goes"
    assert not ledger.reserve([Scope("session:none", Amount())], Amount(1, 0, 0))
    assert ledger.taken(Scope("session:none", Amount())) == Amount()


def test_large_amounts_are_exact(ledger: Ledger) -> None:
    scope = Scope("day:x", Amount(inf, inf, 10**15))
    assert ledger.reserve([scope], Amount(1, 0, 10**15 - 1))
    assert not ledger.reserve([scope], Amount(1, 0, 2))
    assert ledger.reserve([scope], Amount(1, 0, 1))


AMOUNT = st.builds(Amount, st.integers(0, 2), st.integers(0, 50), st.integers(0, 50))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    AMOUNT,
    st.lists(st.tuples(AMOUNT, st.floats(0, 1), st.booleans()), max_size=30),
)
def test_no_order_of_calls_takes_more_than_the_budget(
    ledger: Ledger, most: Amount, calls: list[tuple[Amount, float, bool]]
) -> None:
    scope, held, taken = Scope(str(uuid4()), most), [], Amount()
    for bound, share, now in calls:
        if ledger.reserve([scope], bound):
            held.append((bound, Amount(*(int(share * unit) for unit in astuple(bound)))))
        if now and held:
            bound, spent = held.pop(0)
            ledger.settle([scope], bound, spent)
            taken += spent
        assert most.covers(taken) and min(astuple(amount_left(ledger, [scope]))) >= 0
    for bound, spent in held:
        ledger.settle([scope], bound, spent)
        taken += spent
    assert ledger.taken(scope) == taken, "all that was held is settled"


def test_threads_share_a_budget(ledger: Ledger) -> None:
    scope, together = Scope("session:t", Amount(50, inf, inf)), threading.Barrier(8)

    def call(_: int) -> int:
        together.wait()
        return sum(ledger.reserve([scope], Amount(1, 0, 0)) for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 50
    assert ledger.taken(scope) == Amount(50)


HOUR = 3600.0


class Clock:
    """Seconds since 1970, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_old_accounts_are_forgotten_once_an_hour(kind: str, tmp_path: Path) -> None:
    clock, kept, bound = Clock(), 2 * DAY_SECONDS, Amount(1, 5, 5)
    ledger = (
        MemoryLedger(kept, clock)
        if kind == "memory"
        else SqliteLedger(tmp_path / "ledger.db", kept, clock)
    )
    client = Scope("client:c", Amount(3, inf, inf), for_ever=True)
    late, held = Scope("session:late", SESSION.most), Scope("session:held", SESSION.most)
    for scopes in ([SESSION, DAY, client], [late]):
        assert ledger.reserve(scopes, bound)
        ledger.settle(scopes, bound, bound)
        clock.now += HOUR
    clock.now -= HOUR
    assert ledger.reserve([held], bound), "and it waits for its answer"
    clock.now += kept - HOUR
    for scope in (SESSION, DAY, client, late, held):
        assert ledger.taken(scope) == bound, "nothing is too old"
    clock.now += 1
    assert ledger.taken(SESSION) == bound, "nobody looks twice within an hour"
    clock.now += HOUR - 1
    assert ledger.taken(SESSION) == ledger.taken(DAY) == Amount()
    assert ledger.taken(client) == ledger.taken(late) == ledger.taken(held) == bound
    clock.now += 9 * kept
    ledger.settle([held], bound, Amount(1, 2, 3))
    assert ledger.taken(held) == Amount(1, 2, 3)
    assert ledger.taken(late) == Amount()
    clock.now += 9 * kept
    assert ledger.reserve([late], bound)
    assert ledger.taken(held) == Amount()
    assert ledger.taken(client) == bound
    ledger.close()


def test_old_accounts_of_a_file_are_forgotten_when_it_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    config = ServeConfig(
        quick=UpstreamConfig(model="small"),
        deepthink=UpstreamConfig(model="large"),
        switcher="always-deepthink",
        ledger=str(file),
        ledger_days=3,
        budget=BudgetConfig(calls=9),
        client_budget=BudgetConfig(calls=9),
    )
    for name, days in (("old", 3.1), ("new", 2.9)):
        router = StepRouter.of(config)
        router.step({"messages": []}, session=name, client="c").settle(None)
        router.close()
        with closing(sqlite3.connect(file)) as db, db:
            changed = time.time() - days * DAY_SECONDS
            db.execute(
                "UPDATE ledger SET changed = ? WHERE scope = ?", (changed, f"session:c/{name}")
            )
            (kept,) = db.execute("SELECT changed FROM ledger WHERE scope = 'client:c'").fetchone()
            assert kept == inf
    StepRouter.of(config).close()
    with closing(sqlite3.connect(file)) as db:
        rows = db.execute("SELECT scope, calls FROM ledger").fetchall()
    assert rows == [("client:c", 2), ("session:c/new", 1)]


def test_a_file_of_the_older_form_is_gone_on_with(tmp_path: Path) -> None:
    clock, file, bound = Clock(), tmp_path / "ledger.db", Amount(1, 5, 5)
    client = Scope("client:c", SESSION.most, for_ever=True)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(
            "CREATE TABLE ledger"
            " (scope TEXT PRIMARY KEY, calls INTEGER, tokens INTEGER, money INTEGER) WITHOUT ROWID"
        )
        db.execute("INSERT INTO ledger VALUES ('session:a', 1, 5, 5), ('client:c', 1, 5, 5)")
    for _ in range(2):
        ledger = SqliteLedger(file, KEPT, clock)
        assert ledger.taken(SESSION) == ledger.taken(client) == bound
        ledger.close()
    clock.now += KEPT + 1
    ledger = SqliteLedger(file, KEPT, clock)
    assert (ledger.taken(SESSION), ledger.taken(client)) == (Amount(), bound)
    ledger.close()


def test_old_accounts_in_redis_expire(redis: str | None) -> None:
    if redis is None:
        pytest.skip("redis-server or redis is not installed")
    import redis as client

    bound, most = Amount(1, 5, 5), Amount(9, inf, inf)
    session, who = Scope("session:e", most), Scope("client:e", most, for_ever=True)
    scopes = [session, who]
    ledger = open_ledger(redis, 2 * DAY_SECONDS)
    with client.Redis.from_url(redis) as connection:

        def left(scope: Scope) -> float:
            """Days until it is forgotten; negative for never."""
            return connection.ttl(f"londi:ledger:{scope.name}") / DAY_SECONDS

        for _ in range(2):
            assert ledger.reserve(scopes, bound)
        assert left(session) < 0
        ledger.settle(scopes, bound, bound)
        assert left(session) < 0, "another reservation waits"
        ledger.settle(scopes, bound, bound)
        assert 1.9 < left(session) <= 2
        assert ledger.reserve(scopes, bound)
        assert left(session) < 0
        ledger.settle(scopes, bound, bound)
        assert 1.9 < left(session) <= 2 and left(who) < 0
        connection.flushall()
    ledger.close()


CODE = """
import sys
from londi.serve.core.budget import Amount, Scope
from londi.serve.ledgers import open_ledger
ledger, scope = open_ledger(sys.argv[1]), Scope("session:p", Amount(100, 10**9, 10**9))
print("ready", flush=True)
sys.stdin.readline()
calls = 0
while ledger.reserve([scope], Amount(1, 10, 10)):
    ledger.settle([scope], Amount(1, 10, 10), Amount(1, 3, 3))
    calls += 1
print(calls, flush=True)
"""


def start(place: str, code: str = CODE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_budget(place: str) -> None:
    if not place:
        pytest.skip("memory is of one process")
    calls = [int(said) for said in run_together(CODE, place, 3)]
    assert sum(calls) == 100
    ledger = open_ledger(place)
    assert ledger.taken(Scope("session:p", Amount())) == Amount(100, 300, 300)
    ledger.close()


def test_what_a_killed_process_had_reserved_stays_counted(place: str) -> None:
    if not place:
        pytest.skip("memory ends with its process")
    code = CODE.replace("sys.stdin.readline()", "").replace(
        "    ledger.settle([scope], Amount(1, 10, 10), Amount(1, 3, 3))\n    calls += 1",
        "    calls += 1\n    print(calls, flush=True)\n    calls < 5 or sys.stdin.readline()",
    )
    with start(place, code) as process:
        assert process.stdout
        for line in process.stdout:
            if line == "5\n":
                os.kill(process.pid, signal.SIGKILL)
                break
    ledger = open_ledger(place)
    assert ledger.taken(Scope("session:p", Amount())) == Amount(5, 50, 50)
    ledger.close()


def test_an_empty_place_is_memory_and_another_is_refused(tmp_path: Path) -> None:
    assert isinstance(open_ledger(""), MemoryLedger)
    with pytest.raises(InvalidConfig, match="ledger: expected a file or redis://HOST:PORT, got"):
        open_ledger("http://here")
    (tmp_path / "text").write_text("this is no ledger " * 100)
    with pytest.raises(DamagedFile, match="holds no ledger"):
        SqliteLedger(tmp_path / "text")
    with pytest.raises(LondiError, match="cannot open the ledger"):
        SqliteLedger(tmp_path / "nowhere" / "l.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE ledger (mine)")
    other.close()
    with pytest.raises(LondiError, match="cannot open the ledger"):
        SqliteLedger(tmp_path / "other.db")


@pytest.mark.skipif(not redis_server.installed(), reason="redis-server or redis is not installed")
def test_no_redis_is_said_in_one_line() -> None:
    with pytest.raises(LondiError, match=r"ledger: no Redis at 'redis://127\.0\.0\.1:1'") as caught:
        open_ledger("redis://127.0.0.1:1")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(LondiError, match=r"redis://me:\*\*\*@127\.0\.0\.1:1") as caught:
        open_ledger("redis://me:hunter2@127.0.0.1:1")
    assert "hunter2" not in str(caught.value)


@pytest.fixture(params=["full disk", "locked", "frozen redis", "no redis"])
def failing(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FailClosed, Callable[[], None], Callable[[], None]]]:
    """A ledger, what makes it fail, and what mends it."""
    monkeypatch.setattr("londi.serve.ledgers.WAIT", 0.05)
    clock = iter(range(0, 10**9, int(PAUSE) + 1))  # each look at it is after the pause
    with ExitStack() as stack:
        if "redis" in request.param:
            if not redis_server.installed():
                pytest.skip("redis-server or redis is not installed")
            server = stack.enter_context(redis_server.Server(tmp_path))
            ledger = open_ledger(server.url)
            fail, mend = (
                (server.freeze, server.thaw)
                if request.param == "frozen redis"
                else (server.stop, server.start)
            )
        else:
            file = tmp_path / "ledger.db"
            ledger = open_ledger(str(file))
            if request.param == "locked":
                other = sqlite3.connect(file, isolation_level=None)
                stack.callback(other.close)
                fail = partial(other.execute, "BEGIN IMMEDIATE")
                mend = partial(other.execute, "ROLLBACK")
            else:
                fail, mend = partial(_limit_files, 1), partial(_limit_files, -1)
                stack.callback(mend)
        assert isinstance(ledger, FailClosed)
        ledger._clock = partial(next, clock)
        yield ledger, fail, mend
        ledger.close()


def _limit_files(size: int) -> None:
    """Let files grow up to `size` bytes, as if the disk were full; -1 for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def test_a_ledger_that_fails_gives_nothing(
    failing: tuple[FailClosed, Callable[[], None], Callable[[], None]],
) -> None:
    ledger, fail, mend = failing
    scope, bound = Scope("session:f", Amount(3, inf, 1000)), Amount(1, 5, 100)
    assert ledger.reserve([scope], bound)
    fail()
    assert not ledger.reserve([scope], bound)
    ledger.settle([scope], bound, Amount(1, 5, 10))
    assert ledger.failures == 2
    assert ledger.reserve([], bound), "what has no budget needs no ledger"
    mend()
    while not ledger.reserve([scope], bound):
        pass  # a connection that broke is noticed when it is used
    # Redis forgets all when it ends. A settlement that failed may have been made, or not.
    assert ledger.taken(scope).covers(bound), "nothing is given back that was not held"


def test_a_ledger_that_failed_is_left_alone_for_a_while(tmp_path: Path) -> None:
    now, asked = 0.0, []

    class Broken(MemoryLedger):
        def taken(self, scope: Scope) -> Amount:
            asked.append(scope)
            raise sqlite3.OperationalError("disk I/O error")

    ledger = FailClosed(Broken(), sqlite3.Error, lambda: now)
    for _ in range(5):
        assert amount_left(ledger, [SESSION]) == Amount(0, 0, inf)
    assert len(asked) == 1 and ledger.failures == 5
    assert not ledger.reserve([SESSION], Amount(1))
    now = PAUSE
    assert ledger.reserve([SESSION], Amount(1))


@contextmanager
def losing(port: int) -> Iterator[tuple[int, threading.Event]]:
    """The port of a relay to `port`; once the event is set it loses an answer and its connection.

    Others may connect again.
    """
    lose, threads = threading.Event(), []

    def relay(source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and lose.is_set():
                    lose.clear()
                    break
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client = sockets.enter_context(listening.accept()[0])
                server = sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
                for pair in ((client, server, False), (server, client, True)):
                    threads.append(threading.Thread(target=relay, args=pair))
                    threads[-1].start()

    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        yield listening.getsockname()[1], lose
        listening.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def test_a_settlement_whose_answer_is_lost_is_made_once(redis: str | None) -> None:
    if redis is None:
        pytest.skip("redis-server or redis is not installed")
    port = int(redis.split(":")[-1].split("/")[0])
    scope, bound = Scope("session:once", Amount(9, 1000, inf)), Amount(1, 100, 0)
    with losing(port) as (relayed, lose):
        ledger = open_ledger(redis.replace(str(port), str(relayed)))
        for _ in range(3):
            assert ledger.reserve([scope], bound)
        lose.set()
        ledger.settle([scope], bound, Amount(1, 10, 0))
        assert not lose.is_set()
        ledger.close()
    direct = open_ledger(redis)
    assert direct.taken(scope) == Amount(3, 210, 0)
    direct.close()
