"""Figures of traces: who answered how often, what it took, and what it was worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from londi.storage.trace_tables import Row


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """Figures of one model.

    Attributes:
        model: its name; empty where nobody knows it.
        steps: answers that it was asked for.
        failed: those with a status of 400 or more, or without any.
        prompt_tokens: tokens of all prompts.
        cached_tokens: those that its provider had in its cache.
        output_tokens: tokens of all answers.
        seconds: mean seconds of an answer; None where nobody measured it.
    """

    model: str
    steps: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of traces.

    Attributes:
        sessions: number of conversations.
        steps: number of steps.
        models: figures of each model, the one asked most first.
        chosen: steps with a choice.
        calls: those of them at which DEEPTHINK was chosen.
        propensities: steps whose propensity is known.
        reasons: steps by what settled them.
        policies: versions of the policies.
        rated: conversations with feedback for the whole.
        value: mean of that; None without any.
    """

    sessions: int
    steps: int
    models: list[ModelFigures]
    chosen: int
    calls: int
    propensities: int
    reasons: dict[str, int]
    policies: list[str]
    rated: int
    value: float | None


def summarize(steps: Iterable[Row], feedback: Iterable[Row]) -> Summary:
    """The figures of the rows of two tables."""
    rows = list(steps)
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"] or "", []).append(row)
    models = [_figures(model, found) for model, found in by_model.items()]
    whole = {row["session"]: row["value"] for row in feedback if row["step"] is None}
    return Summary(
        sessions=len({row["session"] for row in rows}),
        steps=len(rows),
        models=sorted(models, key=lambda one: -one.steps),
        chosen=sum(row["choice"] is not None for row in rows),
        calls=sum(row["choice"] == 1 for row in rows),
        propensities=sum(row["propensity"] is not None for row in rows),
        reasons=dict(Counter(row["reason"] for row in rows if row["reason"]).most_common()),
        policies=sorted({row["policy"] for row in rows if row["policy"]}),
        rated=len(whole),
        value=sum(whole.values()) / len(whole) if whole else None,
    )


def _figures(model: str, rows: list[Row]) -> ModelFigures:
    times = [row["seconds"] for row in rows if row["seconds"] is not None]
    measured = [row for row in rows if row["propensity"] is not None]
    return ModelFigures(
        model=model,
        steps=len(rows),
        failed=sum(row["status"] is None or row["status"] >= 400 for row in measured),
        prompt_tokens=sum(row["prompt_tokens"] or 0 for row in rows),
        cached_tokens=sum(row["cached_tokens"] or 0 for row in rows),
        output_tokens=sum(row["output_tokens"] or 0 for row in rows),
        seconds=sum(times) / len(times) if times else None,
    )
