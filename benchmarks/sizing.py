"""The arithmetic of a sizing guide, as Markdown: what a gateway and a training will need and cost.

    python benchmarks/sizing.py [--measure-redis] [--model NAME=PRICE ...] [OPTION ...]

Unit costs are figures that other commands have measured, each named beside its figure; the rest is
multiplication. `--measure-redis` measures those of Redis anew, on a server of its own. A price is
`input/output` for a million tokens, or the name of a hosted model in `genai-prices`. A name that
ends in the number of parameters (`8B`) is also sized for a GPU of your own.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from tempfile import TemporaryDirectory
from typing import Any

from arguments import OBSERVATION

from londi.config.prices import GENAI, Price, find_prices
from londi.errors import LondiError
from londi.serve.core.budget import Amount, Scope
from londi.serve.ledgers import RedisLedger
from londi.types import Usage

DAY = 86_400
RECORD = 32
"""Bytes of a transition beside its two observations (`learning/replay.py`)."""
MODELS = (
    "1B=aws/meta.llama3-2-1b-instruct-v1:0",
    "8B=aws/meta.llama3-1-8b-instruct-v1:0",
    "70B=aws/meta.llama3-3-70b-instruct-v1:0",
)


@dataclass(frozen=True)
class UnitCost:
    """One measured figure.

    Attributes:
        value: the figure, in `unit`.
        unit: what it counts.
        command: what measures it.
    """

    value: float
    unit: str
    command: str


UNITS = {
    "gateway, most": UnitCost(734, "requests/s a core, at the limit", "benchmarks/load"),
    "gateway, memory": UnitCost(152, "MB a process", "benchmarks/load"),
    "decision": UnitCost(28, "us, exported, batch 1", "benchmarks/decision.py"),
    "decision, batch 32": UnitCost(2.3, "us, exported, batch 32", "benchmarks/decision.py"),
    "Redis, time": UnitCost(163, "us of its CPU a request", "benchmarks/sizing.py --measure-redis"),
    "Redis, memory": UnitCost(207, "bytes a session", "benchmarks/sizing.py --measure-redis"),
    "trace": UnitCost(1_400, "bytes a step, without texts", "benchmarks/live.py"),
    "training": UnitCost(1_012, "steps/s beside the built-in models", "benchmarks/training.py"),
}
"""Of docs/performance.md and docs/how-to/gateway.md, and of the last run of `--measure-redis`."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")
    print()


def amount(number: float) -> str:
    """A number with three digits, or whole where it has more."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def measured_redis(requests: int = 4_000) -> dict[str, UnitCost]:
    """The CPU of a reservation with its settlement in three scopes, and the memory of a session."""
    import redis

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command = ["redis-server", *place, "--save", ""]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            next(line for line in server.stdout if "eady to accept connections" in line)
            url = f"redis://127.0.0.1:{port}/0"
            client: Any = redis.Redis.from_url(url)
            ledger = RedisLedger(url)
            bound, most = Amount(1, 2_000, 10_000), Amount(1e9, 1e12, 1e15)

            def request(session: int) -> None:
                names = f"session:{session:036d}", "client:one", "day:2030-01-01"
                scopes = [Scope(name, most) for name in names]
                if not ledger.reserve(scopes, bound):
                    raise SystemExit("Redis gave no reservation")
                ledger.settle(scopes, bound, Amount(1, 900, 4_000))

            def spent() -> tuple[float, int]:
                info = client.info()
                return info["used_cpu_user"] + info["used_cpu_sys"], info["used_memory"]

            request(0)
            before = spent()
            for session in range(1, requests + 1):
                request(session)
            after = spent()
            ledger.close()
            client.close()
        finally:
            server.kill()
            server.communicate()
    taken = [(b - a) / requests for a, b in zip(before, after, strict=True)]
    values = {"Redis, time": taken[0] * 1e6, "Redis, memory": taken[1]}
    return {name: UnitCost(v, UNITS[name].unit, UNITS[name].command) for name, v in values.items()}


def serving(units: dict[str, UnitCost], rates: Sequence[float], given: argparse.Namespace) -> None:
    """Print the tables of gateways."""
    of = {name: unit.value for name, unit in units.items()}
    rate = given.load * of["gateway, most"]
    print(
        f"One core decides {1e6 / of['decision']:,.0f} times a second one by one"
        f" ({1e6 / of['decision, batch 32']:,.0f} in batches of 32), and passes on"
        f" {of['gateway, most']:,.0f} requests: a gateway is HTTP, and the decision"
        f" {of['decision'] * of['gateway, most'] / 1e6:.0%} of it. At a load of {given.load:.0%} a"
        f" gateway of one core takes {rate:,.0f} requests/s.\n"
    )
    rows = []
    for wanted in rates:
        shards = ceil(wanted / rate)
        sessions = wanted * given.duty / given.session_steps * DAY * given.kept_days
        rows.append(
            [
                f"{wanted:,.0f}",
                str(shards),
                f"{shards * of['gateway, memory'] / 1000:.2f}",
                f"{wanted * of['Redis, time'] / 1e6:.1%}" if shards > 1 else "a file will do",
                f"{sessions * of['Redis, memory'] / 1e9:.2f}" if shards > 1 else "0",
                f"{wanted * given.duty * DAY * of['trace'] / 1e9:.2f}",
                f"{30 * wanted * given.duty * DAY * of['trace'] / 1e9:,.0f}",
            ]
        )
    head = ["requests/s at most", "gateways (cores)", "their memory, GB", "Redis: a core", "its GB"]
    table([*head, "traces, GB a day", "GB in 30 days"], rows)
    print(
        f"Sessions of {given.session_steps} steps, whose accounts are kept {given.kept_days:g}"
        f" days; a mean rate of {given.duty:.0%} of the highest. With `keep_texts: true` add the"
        " bytes of the messages to the traces. All budgets are in one Redis, which"
        f" runs its scripts on one core: {1e6 / of['Redis, time']:,.0f} requests/s are its limit."
        " Without budgets none is needed.\n"
    )


def price_of(text: str) -> Price:
    """The price that `input/output`, or a name in `genai-prices`, stands for."""
    if re.fullmatch(r"[\d.]+/[\d.]+", text):
        found = find_prices(f"quick={text},deepthink={text}", "", "")
    else:
        found = find_prices(GENAI, text, text)
    assert found
    return found.quick


def training(models: dict[str, Price], given: argparse.Namespace) -> None:
    """Print the tables of trainings."""
    call = Usage(calls=1, tokens=given.prompt_tokens, output_tokens=given.output_tokens)
    asked = 1 - given.hit_rate
    rows = []
    for quick, deepthink in combinations(models, 2):
        small, large = models[quick].of(call), models[deepthink].of(call)
        row = [f"{quick} / {deepthink}", f"{1e3 * small:.3g} / {1e3 * large:.3g}"]
        # Foresight asks both at every step; the coin tosses of r-learner QUICK at all, DEEPTHINK
        # where it acts; an evaluation plays QUICK, DEEPTHINK and the Switcher at a half each.
        row.append(f"{given.steps * asked * (small + large):,.2f}")
        row.append(f"{given.tosses * asked * (small + large / 2):,.2f}")
        played = given.episodes * given.session_steps
        row.append(f"{played * asked * (small + large + (2 * small + large) / 2):,.2f}")
        rows.append(row)
    head = ["QUICK / DEEPTHINK", "1,000 calls", f"training, {given.steps:,} steps"]
    head += [f"coin tosses, {given.tosses:,} steps", f"evaluation, {given.episodes:,} episodes"]
    table([*head[:1], *(f"{name}, USD" for name in head[1:])], rows)
    waits = given.steps / given.num_envs * given.latency
    print(
        f"{given.prompt_tokens:,} prompt and {given.output_tokens} answer tokens a call,"
        f" {given.hit_rate:.0%} of them answered by the cache. Both models are asked in turn in"
        f" each of {given.steps:,} / {given.num_envs} rounds: {asked * waits / 3600:.1f} hours at"
        f" {given.latency:g} s for both. All else takes less than the"
        f" {given.steps / UNITS['training'].value / 60:.1f} minutes of a training with the built-in"
        " models.\n"
    )
    rows = []
    for name in models:
        if size := re.search(r"([\d.]+)B$", name):
            flops = 2e9 * float(size[1]) * (given.prompt_tokens + given.output_tokens)
            hours = (
                given.steps * asked * flops / (given.gpu_tflops * 1e12 * given.utilization) / 3600
            )
            memory = 2 * float(size[1])
            row = [name, f"{memory:,.0f}", f"{flops / 1e12:.3g}", amount(hours)]
            rows.append([*row, f"{hours * given.gpu_hour:,.2f}"])
    if rows:
        head = ["model", "weights in bfloat16, GB", "TFLOP a call", "GPU hours of a training"]
        table([*head, "USD"], rows)
        print(
            "On GPUs of your own: two operations a parameter and token,"
            f" {given.gpu_tflops:g} TFLOPS at {given.utilization:.0%}, {given.gpu_hour:g} USD an"
            " hour. These three are assumptions, and no measurements of this repository: put in"
            " yours.\n"
        )


def buffers(given: argparse.Namespace) -> None:
    """Print the table of replay buffers."""
    record = 8 * given.observation + RECORD
    rows = [
        [f"{count:,}", f"{count * record / 1e9:.2f}", "memory" if count <= 10**6 else "file"]
        for count in (10**5, 10**6, 10**7)
    ]
    table(["transitions", "GB", "in"], rows)
    print(
        f"Observations of {given.observation} numbers ({OBSERVATION} is the built-in BabyAI pair"
        f" with foresight), {record:,} bytes a transition. A checkpoint holds them once more on the"
        " disk. In a file (`--replay_folder`) they take no memory of their own"
        " (`benchmarks/replay.py`).\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--measure-redis", action="store_true", help="measure Redis now")
    add("--rates", type=float, nargs="+", default=[10, 100, 1_000, 10_000], help="requests/s")
    add("--load", type=float, default=0.5, help="share of a gateway's highest rate to plan with")
    add("--duty", type=float, default=0.3, help="mean rate, as a share of the highest")
    add("--session_steps", type=int, default=20, help="steps of a session or an episode")
    add("--kept_days", type=float, default=30.0, help="days that an account of a session is kept")
    add("--model", action="append", metavar="NAME=PRICE", help="smallest first; repeat it")
    add("--prompt_tokens", type=int, default=1_000)
    add("--output_tokens", type=int, default=50)
    add("--hit_rate", type=float, default=0.0, help="share of the calls that the cache answers")
    add("--steps", type=int, default=40_000, help="steps of a training with foresight")
    add("--tosses", type=int, default=10_000, help="steps of a training from coin tosses")
    add("--episodes", type=int, default=500, help="episodes of an evaluation")
    add("--num_envs", type=int, default=16)
    add("--latency", type=float, default=1.0, help="seconds of a round, both models")
    add("--gpu_hour", type=float, default=2.5, help="USD")
    add("--gpu_tflops", type=float, default=989.0, help="dense, bfloat16")
    add("--utilization", type=float, default=0.3)
    add("--observation", type=int, default=OBSERVATION, help="numbers of an observation")
    given = parser.parse_args()
    units = UNITS | (measured_redis() if given.measure_redis else {})
    models = {}
    for text in given.model or MODELS:
        name, _, price = text.partition("=")
        models[name] = price_of(price)
    print("## Unit costs\n")
    rows = [[n, amount(u.value), u.unit, f"`{u.command}`"] for n, u in units.items()]
    table(["", "measured", "unit", "by"], rows)
    print("## Serving\n")
    serving(units, given.rates, given)
    print("## A training by price\n")
    prices = [[n, f"{p.input:g} / {p.output:g}"] for n, p in models.items()]
    table(["model", "USD for a million tokens, input / output"], prices)
    training(models, given)
    print("## Replay buffers\n")
    buffers(given)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LondiError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
