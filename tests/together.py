"""Processes that begin the same work at the same moment."""

from __future__ import annotations

import subprocess
import sys


def run_together(code: str, place: str, count: int) -> list[str]:
    """What each of `count` processes printed after it began.

    Each is given `place` and its own number. Its code prints ``ready``, and then reads a line:
    nobody gets one before all are ready.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, place, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = []
    for process in started:
        said, complaint = process.communicate()
        assert process.returncode == 0, complaint
        printed.append(said)
    return printed
