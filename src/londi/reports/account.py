"""The account of what methods spend, in one vocabulary for tables, pages and the demonstration.

Amounts are those of 1,000 episodes: DEEPTHINK calls, floating-point operations, seconds inside the
models and end to end, joules where there is a GPU, and money where there are prices. This file
knows figures. It does not know how they are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from londi.evaluation.results import Result

EPISODES = 1000
SAVED = "Below an amount: the share saved against DEEPTHINK alone."


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of amount.

    Attributes:
        head: its name and unit.
        per_episode: the amount of an episode; None where it is not known.
    """

    head: str
    per_episode: Callable[[Result], float | None]

    def cell(self, result: Result) -> str:
        """The amount of 1,000 episodes."""
        amount = self.per_episode(result)
        return "-" if amount is None else number(EPISODES * amount)

    def saved(self, result: Result, deepthink: Result | None) -> str:
        """The share saved against DEEPTHINK alone; empty where there is none to tell."""
        amount, always = self.per_episode(result), deepthink and self.per_episode(deepthink)
        if amount is None or not always:
            return ""
        return f"{round(1 - amount / always, 2) + 0.0:.0%}"  # + 0.0: no "-0%"


def columns(results: Sequence[Result]) -> list[Column]:
    """The kinds of amounts that some of `results` have."""
    coin = next((r.currency for r in results if r.currency), "")
    known = [
        Column("calls", lambda r: r.calls),
        Column("GFLOPs", lambda r: r.lm_flops / 1e9),
        Column("seconds in the models", lambda r: r.lm_cpu_seconds),
        Column("seconds end to end", lambda r: r.seconds),
        Column("joules", lambda r: r.joules or None),
        Column(f"money, {coin}", lambda r: r.money),
        Column(f"bill, {coin}", lambda r: r.bill),
    ]
    return [c for c in known if any(c.per_episode(r) is not None for r in results)]


def deepthink_of(results: Sequence[Result]) -> Result | None:
    """DEEPTHINK alone, which savings are measured against; None unless there is exactly one."""
    found = [result for result in results if result.method == "deepthink"]
    return found[0] if len(found) == 1 else None


def sentence(results: Sequence[Result]) -> str:
    """The spending of DEEPTHINK alone and of LONDI; empty unless both are there, once."""
    deepthink, londi = deepthink_of(results), [r for r in results if r.method == "londi"]
    if deepthink is None or len(londi) != 1:
        return ""
    always, ours = _spent(deepthink), _spent(londi[0])
    if not always:
        return ""
    note = " (example prices)" if deepthink.example_prices else ""
    return (
        f"{EPISODES:,} episodes: always DEEPTHINK takes {always}, for a return of"
        f" {deepthink.return_mean:.3f}; LONDI takes {ours}, for {londi[0].return_mean:.3f}{note}"
    )


def number(amount: float) -> str:
    """Three digits, or all those before the point."""
    if not amount:
        return "0"
    return f"{amount:,.0f}" if abs(amount) >= 99.95 else f"{amount:#.3g}"


def money(amount: float, currency: str | None) -> str:
    """An amount of money, such as "$1.25" or "1.25 EUR": signs that every terminal can show."""
    return f"${number(amount)}" if currency == "USD" else f"{number(amount)} {currency}"


def _spent(result: Result) -> str:
    parts = []
    if result.money is not None:
        parts.append(money(EPISODES * result.money, result.currency))
    if result.lm_cpu_seconds is not None:
        parts.append(f"{number(EPISODES * result.lm_cpu_seconds)} s in the models")
    return " and ".join(parts)
