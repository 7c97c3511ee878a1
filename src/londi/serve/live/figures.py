"""Figures of the live page from the sums over the traces.

This file knows the tables of `digest.py`. It does not know how they are filled, nor who asks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from londi.errors import DamagedFile
from londi.evaluation.confidence import LEAST, PAPER, Sample, mean_interval
from londi.serve.estimates import TraceEstimate, read_estimate
from londi.serve.live.digest import DAY, MINUTE, Digest
from londi.serve.live.records import (
    ArmLine,
    DecisionLine,
    Estimated,
    Flow,
    Outcome,
    Range,
    Saved,
    Traced,
    number,
)
from londi.serve.transcripts.arms import ArmFigures, compare
from londi.storage.rollout_log import read_arms

MINUTES = 60
"""Minutes that are shown one by one, the present one among them."""
DECISIONS = 50
"""Steps that are shown one by one."""
_SUMS = """
sum(steps), sum(calls), sum(errors), sum(fallbacks), sum(tokens), sum(money), sum(unpriced)
FROM minutes WHERE minute >= ? AND minute <= ?
"""
# The mean first, and then the distances from it: sums of squares of the values would cancel.
_ARMS = """
WITH means AS (
  SELECT arm, policy, rollout, min(first) AS first, count(*) AS sessions,
    avg(calls) AS calls, avg(money) AS money, sum(unpriced) AS unpriced,
    count(reward) AS rated, avg(reward) AS reward
  FROM sessions WHERE arm IS NOT NULL GROUP BY arm, policy, rollout
)
SELECT arm, policy, rollout, means.sessions, means.unpriced, means.rated,
  means.calls, sum((one.calls - means.calls) * (one.calls - means.calls)),
  means.money, sum((one.money - means.money) * (one.money - means.money)),
  means.reward, sum((one.reward - means.reward) * (one.reward - means.reward))
FROM sessions AS one JOIN means USING (arm, policy, rollout)
GROUP BY arm, policy, rollout ORDER BY means.first
"""
_CAME = """
WITH mine AS (
  SELECT returned, calls, money FROM sessions
  WHERE arm = 'treated' AND policy = ? AND returned IS NOT NULL
), means AS (
  SELECT count(*) AS sessions, avg(returned) AS returned, avg(calls) AS calls, avg(money) AS money
  FROM mine
)
SELECT sessions, means.returned, means.calls, means.money,
  sum((mine.returned - means.returned) * (mine.returned - means.returned)),
  sum((mine.calls - means.calls) * (mine.calls - means.calls)),
  sum((mine.money - means.money) * (mine.money - means.money))
FROM means LEFT JOIN mine GROUP BY sessions
"""
_ROLLOUTS = "SELECT rollout, min(arms) FROM traces.rollouts GROUP BY rollout"
_DECISIONS = """
SELECT rowid, time, session, step, model, candidates, choice, reason, arm, probability, propensity,
  prompt_tokens, output_tokens, money, seconds, status
FROM traces.steps ORDER BY rowid DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Figures of all sessions, which take longer to make than the others."""

    arms: tuple[ArmLine, ...]
    saved: tuple[Saved, ...]
    estimated: Estimated | None


class Figures:
    """Figures of a file of traces.

    Args:
        digest: the sums.
        policy: version of the Switcher.
        estimate: file of an estimate; None for none.
        clock: seconds since 1970.
    """

    SHARE = 10.0
    """Figures of all sessions are as old at most as this times what they take to make."""

    def __init__(
        self,
        digest: Digest,
        policy: str,
        estimate: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._digest, self._policy, self._estimate = digest, policy, estimate
        self._clock, self._next = clock, 0.0
        self._sessions = _Sessions((), (), None)

    def traced(self) -> Traced:
        """The figures of now.

        Raises:
            sqlite3.Error: if the traces cannot be read.
        """
        began = time.monotonic()
        if began >= self._next:
            arms, saved = self._arms()
            self._sessions = _Sessions(arms, saved, self._estimated())
            took = time.monotonic() - began
            self._next = began + self.SHARE * took
        now = self._clock()
        minute = int(now // MINUTE)
        midnight = int(now // DAY * DAY // MINUTE)
        return Traced(
            unread=self._digest.unread,
            hour=self._flows("minute", minute - MINUTES + 1, minute),
            day=self._flows("NULL", midnight, minute),
            arms=self._sessions.arms,
            saved=self._sessions.saved,
            paper=PAPER,
            least=LEAST,
            estimated=self._sessions.estimated,
            decisions=self._decisions(),
        )

    def _flows(self, by: str, first: int, last: int) -> tuple[Flow, ...]:
        asked = f"SELECT {by}, model, {_SUMS} GROUP BY 1, 2"
        return tuple(Flow(*row) for row in self._digest.rows(asked, first, last))

    def _arms(self) -> tuple[tuple[ArmLine, ...], tuple[Saved, ...]]:
        drawn: list[tuple[ArmFigures, str]] = []
        whole: dict[tuple[str, str], ArmFigures] = {}
        for arm, policy, rollout, count, unpriced, rated, *moments in self._digest.rows(_ARMS):
            calls, money, reward = zip(moments[::2], moments[1::2], strict=True)
            figures = ArmFigures(
                arm,
                policy,
                Sample.moments(count, *calls),
                Sample.moments(count, *money),
                Sample.moments(rated, *reward),
                unpriced,
            )
            drawn.append((figures, rollout))
            whole.setdefault((arm, policy), ArmFigures(arm, policy)).merge(figures)
        lines = [
            ArmLine(
                one.arm,
                one.policy,
                one.sessions,
                one.rewards.count,
                number(one.rewards.mean),
                number(one.calls.mean),
                number(one.money.mean),
                one.unpriced,
            )
            for one in whole.values()
        ]
        arms = {rollout: read_arms(told) for rollout, told in self._digest.rows(_ROLLOUTS)}
        saved = [
            Saved(
                one.arm,
                one.policy,
                *one.sessions,
                Range.of(one.calls),
                Range.of(one.money),
                Range.of(one.reward),
                Range.of(one.rated),
            )
            for one in compare(drawn, arms)
        ]
        return tuple(lines), tuple(saved)

    def _estimated(self) -> Estimated | None:
        if self._estimate is None:
            return None
        try:
            found = read_estimate(self._estimate)
        except DamagedFile as error:
            return Estimated("", self._policy, "", str(error), ())
        problem = found.refused.message if found.refused else ""
        outcomes = () if found.refused else self._outcomes(found)
        return Estimated(found.switcher, self._policy, found.method, problem, outcomes)

    def _outcomes(self, found: TraceEstimate) -> tuple[Outcome, ...]:
        ((count, *rest),) = self._digest.rows(_CAME, self._policy)
        moments = zip(rest[:3], rest[3:], strict=True)
        came = dict(zip(("return", "calls", "money"), moments, strict=True))
        made = []
        for value in found.values:
            if value.outcome in came:
                low, high = value.interval or (None, None)
                sample = Sample.moments(count, *came[value.outcome]) if count else Sample()
                estimated = Range(number(value.estimate), low, high)
                interval = Range.of(mean_interval(sample))
                made.append(Outcome(value.outcome, estimated, interval, count))
        return tuple(made)

    def _decisions(self) -> tuple[DecisionLine, ...]:
        lines = []
        for row in self._digest.rows(_DECISIONS, DECISIONS):
            place, when, session, step, model, candidates, choice, reason, *rest = row
            names = json.loads(candidates or "[]")
            fell = (
                choice is not None and model is not None and names[choice : choice + 1] != [model]
            )
            deepthink = names[1:2] == [model]
            reason = "fallback" if fell else reason
            lines.append(DecisionLine(place, when, session, step, model, deepthink, reason, *rest))
        return tuple(lines)
