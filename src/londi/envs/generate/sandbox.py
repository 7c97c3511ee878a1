"""A sandbox for model-written Python, made of bubblewrap, libseccomp and the limits of the system.

A program runs in a process of its own, with no network, no files but Python's own (read only) and
an empty folder in memory, and it sees no other process but bubblewrap's. It starts threads, but no
processes. Time, memory, open files and the folder are limited. When it ends, or its time is up, it
is killed, and the folder is gone. This file knows processes, and no task.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from secrets import token_hex

from londi.errors import EnvironmentFailed, InvalidConfig

_MEGABYTE = 1 << 20
_START = 60.0  # seconds in which the sandbox and Python start
_GRACE = 1.0  # seconds in which a program ends
_THREADS = 32
_FILES = 64
_DISK = 64
_REFUSED = "scorer: model-written code runs in a sandbox alone, which this machine cannot give"

_DRIVER = Path(__file__).with_name("contained.py")
_SHOWN = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache")
"""Files of the system that Python needs, where a system has them."""
_PARTS = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
"""Parts of the folder of a Python or of its environment that it needs; the rest may be anybody's,
such as a home folder in which Python lies."""
_STARTED = b"."
"""Written by the driver before it runs a program."""
_CALLS = (
    # start processes
    *("fork", "vfork"),
    # take memory that no limit counts, or that outlives its users
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget"),
    *("add_key", "request_key", "keyctl"),
    # stop bubblewrap's own process, or change it
    *("ptrace", "process_vm_writev"),
    # reach others: some sockets, such as vsock, know no bounds of a network
    "socket",
    # parts of the system that a program of Python does not need
    *("bpf", "io_uring_setup", "perf_event_open", "userfaultfd"),
)
"""System calls that are refused, by what they would do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program, which may have 32 threads, 64 open files and 64 MB of files as well.

    Attributes:
        seconds: wall seconds, and seconds of the CPU.
        memory: megabytes of address space.
    """

    seconds: float = 10.0
    memory: int = 512

    def __post_init__(self) -> None:
        for name, kinds, kind in (
            ("seconds", (int, float), "a number"),
            ("memory", (int,), "a whole number"),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < 1e6:
                raise InvalidConfig(f"{name}: expected {kind} > 0, got {value!r}")

    def resources(self) -> dict[str, int]:
        """The limits that the system holds, by their names in `resource`."""
        return {
            "RLIMIT_CPU": ceil(self.seconds),
            "RLIMIT_AS": self.memory * _MEGABYTE,
            "RLIMIT_FSIZE": _DISK * _MEGABYTE,
            "RLIMIT_NOFILE": _FILES,
            "RLIMIT_CORE": 0,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_NPROC": _THREADS,
        }


class Sandbox:
    """Runs programs under `limits`.

    Raises:
        InvalidConfig: if this machine cannot shut a program off; says why.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise InvalidConfig(f"{_REFUSED}: no bwrap; on Linux: apt-get install bubblewrap")
        self._bwrap, self._filter = bwrap, _system_calls()
        try:
            ended = self._run("", "")
        except _NotStarted as error:
            raise InvalidConfig(f"{_REFUSED}: {error}") from error
        if not ended:
            raise InvalidConfig(
                "seconds, memory: expected enough for an empty program, got"
                f" {limits.seconds!r} and {limits.memory!r}"
            )

    def passes(self, program: str, test: str) -> bool:
        """Whether `test` ends without an error behind `program`, within the limits.

        Both share one interpreter: a program that sets out to deceive its test can do so.

        Raises:
            EnvironmentFailed: if the sandbox does not start, so that nothing was run.
        """
        try:
            return self._run(program, test)
        except _NotStarted as error:
            raise EnvironmentFailed(f"the sandbox did not start: {error}") from error

    def _run(self, program: str, test: str) -> bool:
        """Whether a program and its test ended.

        Raises:
            _NotStarted: if neither was run.
        """
        token = token_hex(16)
        job = {"program": program, "test": test, "token": token, "seconds": self._limits.seconds}
        given = json.dumps(job | {"limits": self._limits.resources()}).encode()
        with (
            _sealed(given) as stdin,
            _sealed(self._filter) as calls,
            subprocess.Popen(
                _command(self._bwrap, calls),
                stdin=stdin,
                # No file, which a program could open anew and fill.
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[calls],
                cwd="/",
                env={},
                start_new_session=True,
            ) as process,
        ):
            assert process.stdout and process.stderr
            pipe = process.stdout.fileno()
            verdict = b""
            try:
                started = _read(pipe, len(_STARTED), _START) == _STARTED
                if started:
                    # It ends itself in time, unless it sets out not to.
                    verdict = _read(pipe, len(token) + 1, self._limits.seconds + _GRACE)
            finally:
                process.kill()
                # Up to its end: then whatever could write to it is dead.
                while os.read(pipe, 1 << 16):
                    pass
            if not started:
                said = process.stderr.read(1000).decode(errors="replace").strip()
                raise _NotStarted(next(iter(said.splitlines()), "it gave no reason"))
            return verdict == token.encode()


class _NotStarted(Exception):
    """A sandbox that did not start; the message says why."""


@contextmanager
def _sealed(content: bytes) -> Iterator[int]:
    """A file in memory that cannot be written to, by whoever opens it anew."""
    file = os.memfd_create("sealed", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    try:
        with open(file, "wb", closefd=False) as out:
            out.write(content)
        os.lseek(file, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        yield file
    finally:
        os.close(file)


def _command(bwrap: str, calls: int) -> list[str]:
    """The command that runs Python shut off, with the job on its standard input.

    Args:
        bwrap: bubblewrap.
        calls: the file of the system calls that are refused.
    """
    python = Path(sys.executable).resolve().parent.parent
    folders = dict.fromkeys((sys.prefix, sys.base_prefix, str(python)))
    own = [str(Path(folder, part)) for folder in folders for part in _PARTS]
    shown = [*_SHOWN, *own, sysconfig.get_path("stdlib")]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        # Each library would start as many threads as there are cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return [
        *(bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        *("--uid", "65534", "--gid", "65534", "--seccomp", str(calls)),
        *("--die-with-parent", "--new-session", "--clearenv"),
        *(part for pair in variables.items() for part in ("--setenv", *pair)),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(_DISK * _MEGABYTE), "--tmpfs", "/tmp"),
        *(part for path in dict.fromkeys(shown) for part in ("--ro-bind-try", path, path)),
        *("--remount-ro", "/", "--remount-ro", "/proc", "--remount-ro", "/dev"),
        *("--chdir", "/tmp", sys.executable, "-I", "-c", _DRIVER.read_text(encoding="utf-8")),
    ]


_UNKNOWN = -1  # libseccomp's number of a system call that it does not know


class _Compared(ctypes.Structure):
    """libseccomp's comparison of an argument of a system call."""

    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def _system_calls() -> bytes:
    """A filter that refuses `_CALLS`, and `clone` but for threads.

    A limit on the number of processes would not do: the system does not hold root to it.

    Raises:
        InvalidConfig: if there is no libseccomp, or it cannot make the filter.
    """
    allow, refuse, masked, thread = 0x7FFF0000, 0x00050000, 7, 0x00010000
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise InvalidConfig(f"{_REFUSED}: no libseccomp; apt-get install libseccomp2") from error
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(allow)))

    def add(name: str, error: int, *compared: _Compared) -> int:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN:  # a new one, which this library does not know
            return 0
        action = ctypes.c_uint32(refuse | error)
        return int(
            library.seccomp_rule_add_array(
                rules, action, number, len(compared), (_Compared * len(compared))(*compared)
            )
        )

    failed = any([add(name, errno.EPERM) for name in _CALLS])
    failed |= bool(add("clone", errno.EPERM, _Compared(0, masked, thread, 0)))
    # Its flags cannot be read; without it the system's library takes `clone`.
    failed |= bool(add("clone3", errno.ENOSYS))
    with tempfile.TemporaryFile() as file:
        failed |= bool(library.seccomp_export_bpf(rules, file.fileno()))
        library.seccomp_release(rules)
        file.seek(0)
        exported = file.read()
    if failed or not exported:
        raise InvalidConfig(f"{_REFUSED}: libseccomp wrote no filter")
    return exported


def _read(pipe: int, most: int, seconds: float) -> bytes:
    """What a pipe gives until its end; no more than `most` bytes, or for so many seconds."""
    said, until = b"", time.monotonic() + seconds
    while len(said) < most:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        part = os.read(pipe, most - len(said)) if ready else b""
        if not part:
            break
        said += part
    return said
