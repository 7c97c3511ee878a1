"""Traces of real traffic as logged steps to learn from.

A session is an episode: its steps in order, and its feedback as rewards. This file knows the
columns of traces. It does not know what is learned from them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.conversation import ConversationPrompt, Message
from londi.errors import DamagedFile, InvalidConfig
from londi.learning.dataset import OfflineDataset
from londi.serve.agreement import Agreement
from londi.serve.apis import CHAT, RESPONSES, api_of
from londi.serve.core.serving import DEEPTHINK, QUICK
from londi.serve.transcripts.store import read_prompts
from londi.storage.trace_tables import Row
from londi.storage.traces import read_traces
from londi.switching.observation import ObservationLayout, State
from londi.types import Array, CostBudget

UNVALUED, UNKNOWN, UNREADABLE = "no feedback", "no choice", "no texts and no features"
"""Why a session is left out."""
FORCED = ("budget", "tool loop")
"""Reasons that leave one choice; the others, such as a control group's, are of the policy."""


class NothingLogged(InvalidConfig):
    """Traces of which no session can be learned from.

    Attributes:
        left_out: number of sessions, by the reason.
    """

    def __init__(self, file: Path, left_out: Counter[str]) -> None:
        reasons = [f"{count} with {reason}" for reason, count in left_out.items()]
        super().__init__(
            f"traces: expected sessions to learn from in {str(file)!r}, got"
            f" {', '.join(reasons) or 'none'}"
        )
        self.left_out = left_out


@dataclass(frozen=True, slots=True)
class TraceLog:
    """The sessions of a file of traces that can be learned from.

    Attributes:
        steps: T steps; `episode` is the place of the session in `sessions`.
        money: [T], what the answers cost; NaN where nobody knows it.
        sessions: their names.
        arms: of each session, the arm of its rollout; None where there was none.
        models: names of QUICK and DEEPTHINK.
        left_out: number of sessions that are left out, by the reason.
    """

    steps: OfflineDataset
    money: Array
    sessions: tuple[str, ...]
    arms: tuple[str | None, ...]
    models: tuple[str, str]
    left_out: Counter[str]

    def only(self, kept: Collection[str]) -> TraceLog:
        """The same without the sessions whose names are not `kept`."""
        places = [k for k, name in enumerate(self.sessions) if name in kept]
        number = {place: k for k, place in enumerate(places)}
        rows = np.isin(self.steps.episode, places)
        steps = self.steps.rows(rows)
        episode = np.array([number[int(place)] for place in steps.episode], int)
        return replace(
            self,
            steps=replace(steps, episode=episode),
            money=self.money[rows],
            sessions=tuple(self.sessions[place] for place in places),
            arms=tuple(self.arms[place] for place in places),
        )


def read_log(file: Path, encoder: Encoder) -> TraceLog:
    """The logged steps of a file of traces.

    Features are those that were written down where the same encoder made them, and else are made
    anew of the texts.

    Args:
        file: the traces.
        encoder: of the features; it reads prompts alone.

    Raises:
        DamagedFile: if the file is of another kind or version.
        NothingLogged: if no session can be learned from.
        InvalidConfig: if the traces are of several pairs of models.
        LondiError: if there is no such file.
    """
    sessions: dict[str, list[Row]] = {}
    for row in read_traces(file, "steps"):
        sessions.setdefault(row["session"], []).append(row)
    values: dict[str, dict[int | None, float]] = {}
    for row in read_traces(file, "feedback"):
        values.setdefault(row["session"], {})[row["step"]] = row["value"]
    agreement = Agreement(file)
    left_out: Counter[str] = Counter()
    logged: list[_Session] = []
    for name, rows in sessions.items():
        rows.sort(key=lambda row: (row["begun"] or 0.0, row["step"]))
        if name not in values:
            left_out[UNVALUED] += 1
        elif any(row["choice"] is None for row in rows):
            left_out[UNKNOWN] += 1
        else:
            seen = _observations(file, rows, encoder)
            if seen is None:
                left_out[UNREADABLE] += 1
            else:
                reward = _rewards(rows, values[name])
                logged.append(_Session(name, rows, seen, reward, agreement.of(rows)))
    if not logged:
        raise NothingLogged(file, left_out)
    steps = [_steps(k, one) for k, one in enumerate(logged)]
    return TraceLog(
        OfflineDataset(
            *(
                np.concatenate([getattr(one, field.name) for one in steps])
                for field in fields(OfflineDataset)
            )
        ),
        np.concatenate([_numbers(one.rows, "money") for one in logged]),
        tuple(one.name for one in logged),
        tuple(one.rows[0]["arm"] for one in logged),
        _models(file, logged),
        left_out,
    )


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    rows: list[Row]
    observation: Array
    reward: Array
    agreement: Array


def _steps(episode: int, one: _Session) -> OfflineDataset:
    """The steps of one session."""
    n = len(one.rows)
    choice = np.array([row["choice"] for row in one.rows])
    allowed = np.ones((n, 2), bool)
    for k, row in enumerate(one.rows):
        if row["reason"] in FORCED:
            allowed[k, 1 - row["choice"]] = False
    return OfflineDataset(
        episode=np.full(n, episode),
        observation=one.observation,
        choice=choice,
        propensity=_numbers(one.rows, "propensity"),
        reward=one.reward,
        next_observation=np.concatenate([one.observation[1:], 0 * one.observation[:1]]),
        terminated=np.arange(n) == n - 1,
        allowed=allowed,
        agreement=one.agreement,
    )


def _numbers(rows: Sequence[Row], column: str) -> Array:
    """`[T]`, the values of a column; NaN where there is none."""
    return np.array([np.nan if row[column] is None else row[column] for row in rows])


def _rewards(rows: Sequence[Row], values: dict[int | None, float]) -> Array:
    """The feedback as the rewards of steps; that for the whole session comes with the last."""
    reward = np.array([values.get(row["step"], 0.0) for row in rows], np.float32)
    reward[-1] += values.get(None, 0.0)
    return reward


def _models(file: Path, logged: Sequence[_Session]) -> tuple[str, str]:
    """Names of QUICK and DEEPTHINK in all sessions."""
    pairs = {row["candidates"] for one in logged for row in one.rows if row["candidates"]}
    if len(pairs) != 1:
        raise InvalidConfig(
            f"traces: expected steps of one QUICK and one DEEPTHINK in {str(file)!r}, got"
            f" {' and '.join(sorted(pairs)) or 'no names'}"
        )
    quick, deepthink = json.loads(pairs.pop())
    return quick, deepthink


def _observations(file: Path, rows: Sequence[Row], encoder: Encoder) -> Array | None:
    """What was seen at the steps of a session, `[T, D]`; None where nothing says so."""
    layout = ObservationLayout(encoder.size)
    if all(_fits(row, encoder, layout) for row in rows):
        seen = [np.frombuffer(row["observation"], "<f4") for row in rows]
        return np.stack(seen).astype(np.float32)
    prompts = read_prompts(file, rows)
    if len(prompts) < len(rows):
        return None
    states = _states(file, rows, prompts)
    observation = np.zeros((len(rows), layout.size), np.float32)
    features = encoder.checked_encode([state.prompt for state in states], [])
    for row, numbers, state in zip(observation, features, states, strict=True):
        layout.write(row, numbers, state)
    return observation


def _fits(row: Row, encoder: Encoder, layout: ObservationLayout) -> bool:
    """Whether this encoder made the features of a row."""
    seen = row["observation"]
    return row["encoder"] == encoder.spec and seen is not None and len(seen) == 4 * layout.size


def _states(file: Path, rows: Sequence[Row], prompts: dict[Any, list[Any]]) -> list[State]:
    """The states of a session as its Switcher saw them, from their texts."""
    states = []
    met: Counter[str] = Counter()
    answered: list[float] = [-inf, -inf]
    answered_by: int | None = None
    for k, row in enumerate(rows):
        time = row["time"] or 0.0
        idle = (time - answered[QUICK], time - answered[DEEPTHINK])
        messages = _messages(row, prompts[row["begun"], row["step"]])
        prompt = ConversationPrompt.of(messages, answered_by, idle)
        now = prompt.observations[-1]
        shown = CostBudget(
            row["cost"] or 0.0, inf if row["calls_left"] is None else row["calls_left"]
        )
        states.append(State(prompt, shown, k, met[now]))
        met[now] += 1
        by = _answered_by(file, row)
        if by is not None:
            answered_by, answered[by] = by, time + (row["seconds"] or 0.0)
    return states


def _messages(row: Row, texts: list[Any]) -> list[Message]:
    api = api_of(row["api"] or "") or CHAT
    return api.read({"input" if api is RESPONSES else "messages": texts})


def _answered_by(file: Path, row: Row) -> int | None:
    """Who answered a step: 0 for QUICK, 1 for DEEPTHINK; None where nobody did."""
    try:
        return list(json.loads(row["candidates"] or "[]")).index(row["model"])
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise DamagedFile(f"{str(file)!r} is damaged: candidates: {error}") from error
        return None
