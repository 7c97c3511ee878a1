"""The sandbox: what model-written code can do in it, what it cannot, and what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from londi import make_env
from londi.envs.contract import Traits
from londi.envs.generate.sandbox import Limits, Sandbox
from londi.envs.generate.scorers import make_scorer
from londi.envs.generate.tasks import Task, load_tasks
from londi.errors import EnvironmentFailed, InvalidConfig
from writers import FILES, tasks

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(Limits(seconds=20.0))


def alive() -> dict[int, tuple[int, str]]:
    """Parent and command of each process that lives; one that is dead waits to be asked for."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,stat,args"], capture_output=True, text=True)
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()[1:]]
    return {int(pid): (int(over), args) for pid, over, stat, args in rows if stat[0] != "Z"}


def all_dead(pids: Callable[[], Collection[int]]) -> bool:
    """Whether these processes have ended soon; another test's may be about to."""
    waiting = threading.Event()
    return any(not pids() or waiting.wait(0.02) for _ in range(500))


def left() -> list[int]:
    """Sandboxes of this process, and those whose process is gone."""
    return [
        pid
        for pid, (over, args) in alive().items()
        if "bwrap" in args.split()[0] and over in (1, os.getpid())
    ]


def test_a_program_passes_its_test_or_fails_it(sandbox: Sandbox) -> None:
    assert sandbox.passes("def double(x): return x + x", "assert double(2) == 4")
    assert not sandbox.passes("def double(x): return x * x", "assert double(3) == 6")
    assert not sandbox.passes("def double(x: return", "")
    assert not sandbox.passes("", "undefined")
    assert sandbox.passes("import dataclasses, decimal, json, re, threading", "")
    assert sandbox.passes("open('note', 'w').write('x')", "assert open('/tmp/note').read() == 'x'")
    assert sandbox.passes("import asyncio\nasyncio.run(asyncio.sleep(0))", "")
    assert sandbox.passes("from __future__ import annotations\nx: undefined = 1", "assert x")


@pytest.mark.parametrize(
    "program",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)",
        "import socket\nsocket.socket(socket.AF_UNIX).connect('{socket}')",
        "open('big', 'wb').write(b'0' * 200_000_000)",
        "for k in range(100):\n    open(str(k), 'wb').write(b'0' * 1_000_000)",
        "text = 'x' * 4_000_000_000",
        "lists = []\nwhile True: lists.append([0] * 1_000_000)",
        "files = [open('/dev/null') for _ in range(1000)]",
        "import os\nos.remove('{file}')",
        "import shutil\nshutil.rmtree('{folder}')",
        "open('{file}').read()",
        "import os\nos.kill({pid}, 9)",
        "import os\nos.kill(-1, 9)",
        "import os\nos.kill(0, 9)",
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])",
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "import os\nos.setuid(0)",
        "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
        "open('/usr/mine', 'w')",
        "import os\nos.memfd_create('x')",
        "import socket\nsocket.socket()",
        "import socket\nsocket.socket(40, socket.SOCK_STREAM)",
        "import ctypes\nassert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
        "import ctypes\nassert ctypes.CDLL(None).msgget(0, 0o1666) >= 0",
        "import ctypes\nassert ctypes.CDLL(None).syscall(425, 8, b'0' * 512) >= 0",
        # Files that bubblewrap's own process holds.
        "import os\nassert any(os.access(f'/proc/1/fd/{k}', os.F_OK)"
        " and os.path.isfile(f'/proc/1/fd/{k}') and os.write("
        "os.open(f'/proc/1/fd/{k}', os.O_WRONLY), b'x') for k in range(9))",
    ],
)
def test_it_cannot_leave_the_sandbox(sandbox: Sandbox, program: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with tempfile.TemporaryDirectory() as short, _listening(f"{short}/s") as port:
        known = {
            "{port}": str(port),
            "{socket}": f"{short}/s",
            "{file}": str(tmp_path / "file"),
            "{folder}": str(tmp_path),
            "{pid}": str(os.getpid()),
        }
        for name, value in known.items():
            program = program.replace(name, value)
        assert not sandbox.passes(program, "")
    assert (tmp_path / "file").read_text() == "mine"
    assert all_dead(left)


class _listening:
    """A server on a port and on a path, which a program could reach if it had a network."""

    def __init__(self, path: str) -> None:
        import socket

        self._path = path
        self._sockets = [socket.socket(), socket.socket(socket.AF_UNIX)]

    def __enter__(self) -> int:
        inet, unix = self._sockets
        inet.bind(("127.0.0.1", 0))
        unix.bind(self._path)
        os.chmod(self._path, 0o777)
        for one in self._sockets:
            one.listen()
        return int(inet.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "while True: print('x' * 1_000_000)",
        "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\ntime.sleep(1000)",
        "import os\nfor k in range(3, 30):\n"
        "    try:\n        while os.write(k, b'x' * 100_000): ...\n"
        "    except OSError: ...\nwhile True: pass",
    ],
)
def test_it_ends_in_time_whatever_it_does(program: str) -> None:
    assert not Sandbox(Limits(seconds=1.0)).passes(program, "")
    assert all_dead(left)


def test_a_kill_of_its_parent_does_nothing_and_threads_end_with_it(sandbox: Sandbox) -> None:
    assert sandbox.passes("import os\nos.kill(os.getppid(), 9)", "x = 1")
    assert not sandbox.passes("import os\nos.kill(os.getppid(), 9)", "assert False")
    lasting = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()"
    assert sandbox.passes(lasting, "x = 1")
    assert all_dead(left)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "from londi.envs.generate.sandbox import Limits, Sandbox\n"
        "sandbox = Sandbox(Limits(seconds=600.0))\nprint('made', flush=True)\n"
        "sandbox.passes('import time\\ntime.sleep(600)', '')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "made\n"
        own: set[int] = set()
        while len(own) < 3:  # bubblewrap, the first process inside, and Python
            threading.Event().wait(0.02)
            parents = {pid: over for pid, (over, _) in alive().items()}
            own = {process.pid}
            for _ in range(3):
                own |= {pid for pid, over in parents.items() if over in own}
            own -= {process.pid}
        process.kill()
    assert all_dead(lambda: own & alive().keys())


def test_many_run_side_by_side(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        programs = [f"x = {k}" for k in range(16)]
        found = list(pool.map(lambda program: sandbox.passes(program, "assert x % 2"), programs))
    assert found == [False, True] * 8


def test_without_bubblewrap_no_code_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidConfig, match=r"cannot give: no bwrap; on Linux: apt-get install"):
        make_scorer("tests", {})


def test_where_bubblewrap_is_not_allowed_to_no_code_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a namespace' >&2\nexit 1\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidConfig) as caught:
        make_scorer("tests", {})
    assert str(caught.value).endswith("cannot give: bwrap: No permissions to create a namespace")


@pytest.mark.parametrize(
    "program",
    [
        "import builtins\nbuiltins.compile = lambda *_, **__: (lambda: 0).__code__",
        "import builtins\nbuiltins.exec = lambda *_: None",
        "import sys\nsys.excepthook = print",
    ],
)
def test_a_program_cannot_take_the_place_of_what_runs_its_test(
    sandbox: Sandbox, program: str
) -> None:
    assert not sandbox.passes(program, "assert False")


def test_a_sandbox_that_does_not_start_is_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        f"#!/bin/sh\n[ -e {broken} ] && {{ echo 'bwrap: No space left' >&2; exit 1; }}\n"
        f'exec {shutil.which("bwrap")} "$@"\n'
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sandbox = Sandbox(Limits())
    assert sandbox.passes("x = 1", "assert x")
    broken.touch()
    with pytest.raises(EnvironmentFailed, match=r"the sandbox did not start: bwrap: No space left"):
        sandbox.passes("x = 1", "assert x")


def test_the_folder_in_which_python_lies_is_not_shown_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "share").mkdir()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    sandbox = Sandbox(Limits())
    assert sandbox.passes("import os", f"assert os.listdir({str(tmp_path)!r}) == ['share']")


@pytest.mark.parametrize("options", [{"memory": 1}, {"seconds": 1e-6}])
def test_limits_leave_room_for_an_empty_program(options: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig, match=r"seconds, memory: expected enough for an empty prog"):
        make_scorer("tests", options)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("assert (", r"line 3: tests: expected Python: SyntaxError: "),
        ("x = '\0'", r"line 3: tests: expected Python: "),
        ("return 1", r"line 3: tests: expected Python: SyntaxError: 'return' outside function"),
        ("(" * 1000, r"line 3: tests: expected Python: "),
        ("", r"line 3: tests: expected code that fails, got ''"),
        ("# later", r"line 3: tests: expected code that fails, got '# later'"),
    ],
)
def test_a_test_is_python(test: str, said: str) -> None:
    task = Task.read({"prompt": "p", "tests": ["assert True", test]}, "mine.jsonl, line 3")
    with pytest.raises(InvalidConfig, match=said) as caught:
        make_scorer("tests", {}).check(task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 0}, "seconds: expected a number > 0, got 0"),
        ({"seconds": "1"}, "seconds: expected a number > 0, got '1'"),
        ({"memory": 1.5}, "memory: expected a whole number > 0, got 1.5"),
        ({"memory": True}, "memory: expected a whole number > 0, got True"),
    ],
)
def test_limits_are_numbers(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        make_scorer("tests", options)


def test_a_text_scores_the_share_of_tests_that_it_passes() -> None:
    scorer = make_scorer("tests", {})
    source = load_tasks(str(FILES["code"]), {})
    own = {source.task(k).prompt: source.task(k) for k in range(9)}
    (double,) = [task for prompt, task in own.items() if "double" in prompt] or [None]
    if double is None:  # it is held out
        double = next(
            source.task(k) for k in (800_000_000, 900_000_000) if "double" in source.task(k).prompt
        )
    assert scorer.score(double, "    return 2 * x") == 1.0
    assert scorer.score(double, "    return x + 2") == 0.5
    assert scorer.score(double, "    return x +") == 0.0


def test_tests_have_limits_of_their_own_and_no_other() -> None:
    env = make_env("londi/Generate-v0", tasks=str(FILES["code"]), scorer="tests", most_seconds=0.01)
    env.reset(seed=0)
    assert env.step("    return 0")[2]


def test_written_code_is_played_to_its_score() -> None:
    env = make_env("londi/Generate-v0", tasks=str(FILES["code"]), scorer="tests", expert=True)
    assert Traits.of(env).waits
    _, info = env.reset(seed=0)
    done = False
    while not done:
        text, reward, done, _, info = env.step(info["expert"])
    assert reward == 1.0 and text in {task["solution"] for task in tasks(FILES["code"])}
