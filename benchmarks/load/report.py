"""The results of a run as a page in Markdown, beside what was aimed at.

This file knows figures, and not how they came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generator import SHARES
from measure import CONNECTIONS, LEVELS, median
from systems import STRAIGHT

Results = Mapping[str, Any]

LATENCY_AIM = 1 / 3
"""Added latency, as a share of LiteLLM's."""
RATE_AIM = 3.0
"""Breaking rate, in LiteLLM's."""
FIRST_BYTE_AIM = 5.0
"""Median milliseconds that are added to the first byte of a stream."""
MEMORY_AIM = 150.0
"""MB after the load."""

PLAIN = LEVELS[1].name
"""The level of which CPU time is told."""


def short(got: Mapping[str, Any]) -> str:
    """One level of one system in a line."""
    both = (
        f"{what} " + " / ".join(f"{got[key][name]:.1f}" for name in SHARES) + " ms"
        for key, what in (("latency", "latency"), ("first_byte", "first byte"))
    )
    failed = f", {got['failed']} FAILED {got['errors']}" if got["failed"] else ""
    return (
        ", ".join(both)
        + f", sent {got['late']['p99']:.1f} ms late, {got['cpu']:.2f} ms CPU"
        + failed
    )


def added(results: Results, level: str, name: str, key: str, share: str) -> float:
    """Median over the rounds of what a system adds to a percentile, in milliseconds."""
    levels = [one["levels"][level] for one in results["rounds"]]
    return median([of[name][key][share] - of[STRAIGHT][key][share] for of in levels])


def rate(results: Results, name: str) -> float:
    """Median over the rounds of the breaking rate."""
    return median([one["breaking"][name]["rate"] for one in results["rounds"]])


def page(results: Results) -> str:
    """All tables."""
    names = list(results["memory"])
    machine = results["machine"]
    versions = ", ".join(f"{name} {told}" for name, told in machine["versions"].items())
    cores = machine["cores"]
    lines = [
        f"{machine['date']}; {machine['processor']}, {cores['gateway']} core for the gateway and"
        f" {cores['others']} for the mock upstream and the generator; {machine['system']}, Python"
        f" {machine['python']}; {versions}. Medians of {len(results['rounds'])} rounds,"
        f" {results['options']['seconds']:g} s a load. Load average at the begin:"
        f" {' '.join(machine['load_average'])}.",
        "",
        *_levels(results, names),
        "",
        *_rest(results, names),
        "",
        *_aims(results, names),
    ]
    return "\n".join(lines) + "\n"


def _levels(results: Results, names: Sequence[str]) -> list[str]:
    lines = [f"| added p50 / p95 / p99, ms | {' | '.join(names)} | straight, not added |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for level in LEVELS:
        key = "first_byte" if level.stream else "latency"
        what = f"{level.name}, first byte" if level.stream else level.name
        cells = [
            _three([added(results, level.name, name, key, of) for of in SHARES]) for name in names
        ]
        straight = [one["levels"][level.name][STRAIGHT][key] for one in results["rounds"]]
        cells.append(_three([median([of[share] for of in straight]) for share in SHARES]))
        lines.append(f"| {what}, {level.rate:g} requests/s | {' | '.join(cells)} |")
    return lines


def _three(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _rest(results: Results, names: Sequence[str]) -> list[str]:
    rates = [f"{rate(results, name):,.0f}" for name in [*names, STRAIGHT]]
    sizes = [f"{results['memory'][name]['end']:.0f}" for name in names]
    failed = [
        sum(of[name]["failed"] for one in results["rounds"] for of in one["levels"].values())
        for name in [*names, STRAIGHT]
    ]
    used = [
        median([one["levels"][PLAIN][name]["cpu"] for one in results["rounds"]])
        for name in [*names, STRAIGHT]
    ]
    return [
        f"| | {' | '.join(names)} | straight |",
        "|---" * (len(names) + 2) + "|",
        f"| highest rate that holds at {CONNECTIONS} connections, requests/s"
        f" | {' | '.join(rates)} |",
        f"| CPU time of a request at {PLAIN}, ms | {' | '.join(f'{ms:.2f}' for ms in used)} |",
        f"| memory after the load, MB | {' | '.join(sizes)} | |",
        f"| failed requests at the levels above | {' | '.join(map(str, failed))} |",
    ]


def _aims(results: Results, names: Sequence[str]) -> list[str]:
    lines = ["| aim | londi | |", "|---|---|---|"]

    def line(aim: str, got: str, met: bool) -> None:
        lines.append(f"| {aim} | {got} | {'met' if met else '**missed**'} |")

    if "litellm" in names:
        for level in (level for level in LEVELS if not level.stream):
            for share in SHARES:
                ours, theirs = (
                    added(results, level.name, name, "latency", share)
                    for name in ("londi", "litellm")
                )
                line(
                    f"added {share}, {level.name}: at most a third of LiteLLM's",
                    f"{ours:.1f} of {theirs:.1f} ms, {ours / theirs:.0%}",
                    ours <= LATENCY_AIM * theirs,
                )
        times = rate(results, "londi") / rate(results, "litellm")
        line(
            f"breaking rate: {RATE_AIM:g} times LiteLLM's", f"{times:.1f} times", times >= RATE_AIM
        )
    first = added(results, "streams", "londi", "first_byte", "p50")
    line(
        f"first byte of a stream: at most {FIRST_BYTE_AIM:g} ms more at p50",
        f"{first:.1f} ms",
        first <= FIRST_BYTE_AIM,
    )
    size = results["memory"]["londi"]["end"]
    line(f"memory: at most {MEMORY_AIM:g} MB", f"{size:.0f} MB", size <= MEMORY_AIM)
    return lines
