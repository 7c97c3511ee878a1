"""Load on `londi serve`, LiteLLM's proxy and Switchyard's server before the same mock upstream.

    python benchmarks/load --out DIR --litellm PYTHON --switchyard PYTHON

See README.md beside this file for what is measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import report
from generator import Load
from measure import FOLDER, LEVELS, Generator, breaking_rate, latency
from processes import cores, cpu_seconds, free_port, memory, running
from switcher import make_switcher
from systems import STRAIGHT, System, litellm, londi, switchyard


def options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--litellm", help="Python that has litellm[proxy]; left out without")
    parser.add_argument("--switchyard", help="Python that has nemo-switchyard; left out without")
    parser.add_argument("--switcher", type=Path, help="file of `londi export`; by default a toy")
    parser.add_argument("--rounds", type=int, default=3, help="times that all is measured")
    parser.add_argument("--seconds", type=float, default=5, help="duration of a load")
    parser.add_argument("--seed", type=int, default=0, help="of the order, times and texts")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": model or platform.processor(),
        "cores": {"gateway": len(cores()[0]), "others": len(cores()[1])},
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_average": Path("/proc/loadavg").read_text().split()[:3],
    }


@contextmanager
def started(
    systems: list[System], upstream: str, folder: Path
) -> Iterator[Mapping[str, tuple[str, int]]]:
    """Address and process of each system, all of them ready."""
    with ExitStack() as stack:
        found = {}
        for system in systems:
            place, port = folder / system.name, free_port()
            place.mkdir()
            command = system.configure(place, f"{upstream}/v1", port)
            url = f"http://127.0.0.1:{port}"
            log, ready = place / "log.txt", url + command.ready
            process = running(command.args, log, cores()[0], ready, command.env)
            found[system.name] = (f"{url}/v1/chat/completions", stack.enter_context(process))
            say(f"{system.name} is ready")
        yield found


def measured(
    systems: Mapping[str, tuple[str, int]], generator: Generator, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """What each round gives, in an order that is drawn anew for each load."""
    rng = random.Random(args.seed)
    names = list(systems)
    for k in range(args.rounds):
        seed = args.seed + 1000 * (k + 1)
        found: dict[str, Any] = {"levels": {}, "breaking": {}}
        for level in LEVELS:
            of_level = found["levels"].setdefault(level.name, {})
            for name in rng.sample(names, len(names)):
                url, process = systems[name]
                before = cpu_seconds(process)
                got = latency(generator, url, level, args.seconds, seed)
                used = cpu_seconds(process) - before
                got["cpu"] = 1e3 * used / (level.rate * args.seconds)
                of_level[name] = got
                say(f"round {k + 1}, {level.name}, {name}: {report.short(got)}")
        for name in rng.sample(names, len(names)):
            got = breaking_rate(generator, systems[name][0], args.seconds / 2, seed)
            found["breaking"][name] = got
            say(f"round {k + 1}, breaking rate, {name}: {got['rate']:.0f} requests/s")
        yield found


def say(line: str) -> None:
    """Print a line at once."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    args = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that children are ended
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        systems = [londi((args.switcher or make_switcher(folder)).resolve())]
        for name, make in (("litellm", litellm), ("switchyard", switchyard)):
            if python := getattr(args, name):
                systems.append(make(python))
            else:
                say(f"{name} is left out: no --{name}")
        told = machine() | {"versions": {one.name: one.version() for one in systems}}
        say(json.dumps(told))

        port, on = free_port(), cores()[1]
        upstream = f"http://127.0.0.1:{port}"
        serve = [sys.executable, str(FOLDER / "upstream.py"), str(port)]
        process = stack.enter_context(
            running(serve, folder / "upstream.txt", on, f"{upstream}/think/0")
        )
        generator = Generator(on, upstream)
        found = stack.enter_context(started(systems, upstream, folder))
        all_of_them = {STRAIGHT: (f"{upstream}/v1/chat/completions", process), **found}
        before = {name: memory(pid) for name, (_, pid) in found.items()}
        for url, _ in all_of_them.values():  # imports at the first request, and warm connections
            generator.play(Load(url, 16, 20, 2, seed=args.seed), 0.0)
            generator.play(Load(url, 16, 20, 2, stream=True, seed=args.seed), 0.0)
        results: dict[str, Any] = {
            "machine": told,
            "options": {"rounds": args.rounds, "seconds": args.seconds, "seed": args.seed},
            "rounds": [],
        }
        for one in measured(all_of_them, generator, args):
            after = {name: memory(pid) for name, (_, pid) in found.items()}
            results["memory"] = {
                name: {"start": before[name], "end": after[name]} for name in before
            }
            results["rounds"].append(one)
            page = write(results, args.out)
    print(page)


def write(results: report.Results, out: Path) -> str:
    """Write what there is so far; the tables."""
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page = report.page(results)
    (out / "results.md").write_text(page)
    return page


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
