"""The tables of traces: every step of real traffic, feedback, and shadow answers.

The columns are declared once, here; the tables of a file, Parquet and the pages are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from londi.types import Usage

FORMAT = 3
"""Version of the tables; 3 has arms of sessions, names of encoders, and money."""

Kind = Literal["text", "integer", "real", "blob"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its name.
        kind: type of its values, as SQLite has it; any may be null unless `needed`.
        meaning: one sentence.
        needed: whether each row has a value.
    """

    name: str
    kind: Kind
    meaning: str
    needed: bool = False


USAGE = (
    Column("prompt_tokens", "integer", "Tokens of the prompt; null where nobody counted them."),
    Column("cached_tokens", "integer", "Tokens of it that the provider had in its cache."),
    Column("cache_write_tokens", "integer", "Tokens of it that were put into the cache."),
    Column("output_tokens", "integer", "Tokens of the answer."),
)
"""Columns that a usage has."""

STEPS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("begun", "real", "When its session began in the process that served the step."),
    Column("step", "integer", "Decisions before this one in its session.", True),
    Column("time", "real", "When it was decided, in seconds since 1970."),
    Column("candidates", "text", "Names of QUICK and DEEPTHINK, a JSON list."),
    Column("choice", "integer", "g at the draw: 0 for QUICK, 1 for DEEPTHINK; null for neither."),
    Column("propensity", "real", "Probability of the choice at the draw; null where unknown."),
    Column("probability", "real", "P(g = 1) under the policy, among what was allowed."),
    Column("exploration", "real", "Share of the draw that was uniform over it."),
    Column("reason", "text", "What settled it: policy, budget, tool loop, or its arm."),
    Column("arm", "text", "Arm of its session: control, treated, previous, shadow or off."),
    Column("rollout", "text", "Id of the arms that its session was drawn from."),
    Column("advised", "integer", "g that the Switcher drew in the shadow; null where it acted."),
    Column("policy", "text", "Version of the policy."),
    Column("cost", "real", "c at which it was decided, in units of the return."),
    Column("price", "real", "Money that DEEPTHINK was expected to cost more than QUICK."),
    Column("expected_gain", "real", "Return that a call was expected to add."),
    Column("expected_calls", "real", "DEEPTHINK calls that a call was expected to add."),
    Column("calls_left", "real", "DEEPTHINK calls left before the step; null without a cap."),
    Column("money_left", "real", "Money left before the step; null without a cap."),
    Column("observation", "blob", "What the policy saw: float32 numbers, little-endian."),
    Column("encoder", "text", "Name of the encoder whose features it saw."),
    Column("api", "text", "Address of the API that was asked."),
    Column("model", "text", "Name of the model that answered, or was asked last."),
    Column("status", "integer", "HTTP status of the answer; null where none came."),
    *USAGE,
    Column("money", "real", "What the answer cost; null without prices, or without a usage."),
    Column("first_byte", "real", "Seconds from the request to the first byte of the answer."),
    Column("seconds", "real", "Seconds from the request to the end of the answer."),
    Column("follows", "integer", "Step whose messages this one goes on; null for the first."),
    Column("kept", "integer", "Number of leading messages that it shares with that step."),
    Column("messages", "text", "The messages after those, JSON; null unless texts are kept."),
    Column("answer", "text", "The message of the answer, JSON; null unless texts are kept."),
)
"""Columns of the table `steps`, a row a decision."""

STEP_NAMES = frozenset(column.name for column in STEPS)

FEEDBACK = (
    Column("session", "text", "Name of the conversation.", True),
    Column("step", "integer", "The step that it is about; null for the whole session."),
    Column("time", "real", "When it came, in seconds since 1970.", True),
    Column("value", "real", "What it was worth.", True),
)
"""Columns of the table `feedback`."""

ROLLOUTS = (
    Column("rollout", "text", "Id of the arms: equal for the same arms, shares and seed.", True),
    Column("time", "real", "Since when sessions are drawn among them.", True),
    Column("arms", "text", "Name, share and policy of each, a JSON list.", True),
    Column("seed", "integer", "Seed of the draw.", True),
    Column("off", "text", "Version of the Switcher that the guard turned off then; else null."),
    Column("said", "text", "What the guard said; else null."),
)
"""Columns of the table `rollouts`, a row a start of a process, or a guard that turned one off."""

SESSIONS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("source", "text", "Format that it was read from.", True),
    Column("rest", "text", "Messages after the last answer, JSON."),
    Column("metadata", "text", "What else stood there about it, a JSON object."),
)
"""Columns of the table `sessions`, a row an imported conversation."""

SHADOWS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("begun", "real", "As in the steps; with session and step it names the step."),
    Column("step", "integer", "The step whose request it is.", True),
    Column("time", "real", "When the other model was asked, in seconds since 1970."),
    Column("choice", "integer", "The other model: 0 for QUICK, 1 for DEEPTHINK."),
    Column("model", "text", "Its name."),
    Column("share", "real", "Probability with which it was asked, whatever the step's choice."),
    Column("skipped", "text", "Why it was drawn and not asked: at once or budget; else null."),
    Column("status", "integer", "HTTP status of its answer; null where none came."),
    *USAGE,
    Column("seconds", "real", "Seconds from the request to the end of the answer."),
    Column("answer", "text", "Its message, JSON; null unless texts are kept."),
    Column("embedding", "blob", "Embedding of its words: float32 numbers, little-endian."),
    Column("answer_embedding", "blob", "The same of the answer that the agent got."),
)
"""Columns of the table `shadows`, a row a shadow answer."""

TABLES: Mapping[str, Sequence[Column]] = {
    "steps": STEPS,
    "feedback": FEEDBACK,
    "rollouts": ROLLOUTS,
    "sessions": SESSIONS,
    "shadows": SHADOWS,
}


def usage_row(usage: Usage) -> Row:
    """The columns of a usage."""
    used = (usage.tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens)
    return dict(zip((column.name for column in USAGE), used, strict=True))


def row_usage(row: Row) -> Usage | None:
    """The usage of a row; None where nobody counted it."""
    tokens, cached, written, output = (row[column.name] for column in USAGE)
    if tokens is None:
        return None
    return Usage(
        calls=1,
        tokens=tokens,
        output_tokens=output or 0,
        cached_tokens=cached or 0,
        cache_write_tokens=written or 0,
    )


def schema() -> str:
    """The tables in SQL."""
    made = []
    for name, columns in TABLES.items():
        lines = [
            f"  {column.name} {column.kind.upper()}{' NOT NULL' if column.needed else ''}"
            for column in columns
        ]
        made.append(f"CREATE TABLE {name} (\n" + ",\n".join(lines) + "\n)")
    return ";\n".join(made) + ";"


def described() -> str:
    """The columns of all tables in Markdown."""
    parts = []
    for name, columns in TABLES.items():
        rows = [f"| `{one.name}` | {one.kind} | {one.meaning} |" for one in columns]
        parts.append("\n".join([f"## {name}", "", "| column | type | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"
