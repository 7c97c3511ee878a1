"""`londi ope`: what a Switcher would return and save, from traces alone.

This file knows traces and Switchers, and nothing of how an estimate is made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from londi.config import OpeConfig
from londi.config.train import TrainConfig
from londi.errors import InvalidConfig
from londi.evaluation.ope import (
    Estimate,
    Estimation,
    Saving,
    estimate,
    logged_outcomes,
    savings,
)
from londi.evaluation.operating_point import load_operating_point
from londi.evaluation.refusals import Outcome, Refusal
from londi.serve.estimates import TraceEstimate
from londi.serve.logged import UNKNOWN, NothingLogged, TraceLog, read_log
from londi.serve.training import LOG_ANEW, prompt_encoder, read_trained_on
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.observation import uncapped_at
from londi.switching.switcher import OnnxSwitcher, Switcher

NO_PROPENSITIES = Refusal(
    "no_propensities",
    "a log of one model, or of choices without propensities, allows no estimate of switching;"
    f" {LOG_ANEW}",
)


def estimate_traces(traces: Path, source: Path, config: OpeConfig) -> TraceEstimate:
    """What the Switcher of `source` would do on the traffic of `traces`.

    Args:
        traces: the file of traces.
        source: the folder of a run, or a file of `londi export`.
        config: the settings.

    Raises:
        LondiError: if there are no traces, or no Switcher that reads texts alone, or it was not
            trained for the cost.
    """
    switcher, cost = _opened(source, config.greedy)
    cost = cost if config.cost is None else config.cost
    switcher.check_supported(cost, Budget())
    trained = read_trained_on(source) if config.sessions == "held-out" else None
    try:
        log = read_log(traces, prompt_encoder(switcher.encoder))
    except NothingLogged as nothing:
        if nothing.left_out.keys() != {UNKNOWN}:
            raise
        nobody = Estimate(config.method, nothing.left_out[UNKNOWN], 0, NO_PROPENSITIES)
        return _told(nobody, traces, source, cost, 0)
    drawn = _drawn(log)
    kept = log.only(drawn - set(trained.sessions if trained else ()))
    left_out = len(drawn) - len(kept.sessions)
    if not kept.sessions:
        raise InvalidConfig(
            f"sessions: the Switcher was trained on all {left_out:,} sessions of {str(traces)!r};"
            " expected traces that came later, or `--sessions all`, which is too good"
        )
    seen = replace(kept.steps, observation=uncapped_at(kept.steps.observation, cost))
    outcomes = _outcomes(kept)
    if np.isnan(seen.propensity).all():
        nobody = Estimate(config.method, len(kept.sessions), len(seen.choice), NO_PROPENSITIES)
        return _told(nobody, traces, source, cost, left_out)
    call = switcher.call_probability(seen.observation, seen.allowed)
    call = np.where(seen.allowed[:, 0], call, 1.0)
    how = Estimation(method=config.method, seed=config.seed)
    saved = savings(seen, call, outcomes[1:], how)
    return _told(estimate(seen, call, outcomes, how), traces, source, cost, left_out, saved)


def _told(
    found: Estimate,
    traces: Path,
    source: Path,
    cost: float,
    trained_on: int,
    saved: tuple[Saving, ...] = (),
) -> TraceEstimate:
    value = None if found.refused else found.value("return")
    return TraceEstimate(
        method=found.method,
        estimate=value.estimate if value else None,
        interval=value.interval if value else None,
        effective_sample_size=found.effective_sample_size,
        refused=found.refused,
        traces=str(traces),
        switcher=str(source),
        cost=cost,
        sessions=found.sessions,
        steps=found.steps,
        trained_on=trained_on,
        values=found.values,
        checks=found.checks,
        savings=saved,
    )


def _opened(source: Path, greedy: bool) -> tuple[Switcher, float]:
    """The Switcher, and c at which it plays where nobody says otherwise."""
    switcher = Switcher.load(source, greedy=greedy)
    if isinstance(switcher, OnnxSwitcher):
        return switcher, switcher.made.cost
    return switcher, load_operating_point(read_run(source, TrainConfig), source).cost


def _drawn(log: TraceLog) -> set[str]:
    """The sessions whose choices were drawn: all but those that a rollout left to DEEPTHINK.

    A session's arm is drawn independently of all else, so leaving an arm out biases nothing.
    """
    pairs = zip(log.sessions, log.arms, strict=True)
    return {name for name, arm in pairs if arm in (None, "treated", "previous")}


def _outcomes(log: TraceLog) -> tuple[Outcome, ...]:
    """Return and calls, and money where the cost of all answers is known."""
    found = logged_outcomes(log.steps)
    return found if np.isnan(log.money).any() else (*found, Outcome("money", log.money))
