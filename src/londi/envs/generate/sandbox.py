"""A sandbox for model-written Python, made of bubblewrap, libseccomp and the limits of the system.

A program runs in a process of its own, with no network, no files but Python's own (read only) and
an empty folder in memory, and it sees no other process. It starts threads, but no processes. Time,
memory, open files and the folder are limited. When it ends, or its time is up, it is killed, and
the folder is gone. This file knows processes, and no task.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from secrets import token_hex

from londi.errors import InvalidConfig

_MEGABYTE = 1 << 20
_GRACE = 1.0  # seconds to start and to end
_THREADS = 32
_FILES = 64
_DISK = 64
_REFUSED = "scorer: model-written code runs in a sandbox alone, which this machine cannot give"

_DRIVER = Path(__file__).with_name("contained.py")
_SHOWN = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache")
"""Files of the system that Python needs, where a system has them."""


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
        ended, reason = self._run("", "")
        if not ended:
            first = next(iter(reason.strip().splitlines()), "no reason")
            raise InvalidConfig(f"{_REFUSED}: {first}")

    def passes(self, program: str, test: str) -> bool:
        """Whether `test` ends without an error behind `program`, within the limits.

        Both share one interpreter: a program that sets out to deceive its test can do so.
        """
        return self._run(program, test)[0]

    def _run(self, program: str, test: str) -> tuple[bool, str]:
        """Whether a program and its test ended, and what bubblewrap said."""
        token = token_hex(16)
        job = {"program": program, "test": test, "token": token, "seconds": self._limits.seconds}
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as calls,
            tempfile.TemporaryFile() as said,
        ):
            given.write(json.dumps(job | {"limits": self._limits.resources()}).encode())
            calls.write(self._filter)
            for file in (given, calls):
                file.seek(0)
            with subprocess.Popen(
                _command(self._bwrap, calls.fileno()),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=said,
                pass_fds=[calls.fileno()],
                cwd="/",
                env={},
                start_new_session=True,
            ) as process:
                assert process.stdout
                pipe = process.stdout.fileno()
                try:
                    # It ends itself in time, unless it sets out not to.
                    verdict = _read(pipe, len(token), self._limits.seconds + _GRACE)
                finally:
                    process.kill()
                    # Up to its end: then whatever could write to it is dead.
                    while os.read(pipe, 1 << 16):
                        pass
            said.seek(0)
            return verdict == token.encode(), said.read(1000).decode(errors="replace")


def _command(bwrap: str, calls: int) -> list[str]:
    """The command that runs Python shut off, with the job on its standard input.

    Args:
        bwrap: bubblewrap.
        calls: the file of the system calls that are refused.
    """
    python = Path(sys.executable).resolve().parent.parent
    shown = [*_SHOWN, sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), str(python)]
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


class _Compared(ctypes.Structure):
    """libseccomp's comparison of an argument of a system call."""

    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def _system_calls() -> bytes:
    """A filter that refuses to start processes, and to share memory that outlives its users.

    A limit on the number of processes would not do: the system does not hold root to it.

    Raises:
        InvalidConfig: if there is no libseccomp.
    """
    allow, refuse, masked, thread = 0x7FFF0000, 0x00050000, 7, 0x00010000
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise InvalidConfig(f"{_REFUSED}: no libseccomp; apt-get install libseccomp2") from error
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(allow)))

    def add(name: str, error: int, *compared: _Compared) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        action = ctypes.c_uint32(refuse | error)
        library.seccomp_rule_add_array(
            rules, action, number, len(compared), (_Compared * len(compared))(*compared)
        )

    for name in ("fork", "vfork", "shmget"):
        add(name, errno.EPERM)
    add("clone", errno.EPERM, _Compared(0, masked, thread, 0))
    # Its flags cannot be read; without it the system's library takes `clone`.
    add("clone3", errno.ENOSYS)
    with tempfile.TemporaryFile() as file:
        failed = library.seccomp_export_bpf(rules, file.fileno())
        library.seccomp_release(rules)
        file.seek(0)
        exported = file.read()
    if failed or not exported:
        raise InvalidConfig(f"{_REFUSED}: libseccomp wrote no filter")
    return exported


def _read(pipe: int, most: int, seconds: float) -> bytes:
    """What a pipe gives until its end; no more than `most` and one byte, or for so many seconds."""
    said, until = b"", time.monotonic() + seconds
    while len(said) <= most:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        part = os.read(pipe, most + 1 - len(said)) if ready else b""
        if not part:
            break
        said += part
    return said
