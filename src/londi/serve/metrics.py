"""Counters of a gateway, in Prometheus's format.

This file knows numbers, and neither texts nor keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from londi.serve.ledgers import FailClosed
from londi.serve.router import Routed, Router


class Metrics:
    """Counters of one gateway.

    Args:
        router: decides.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, router: Router) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Losses(router))
        self._answers = Counter(
            "londi_answers",
            "Answers by the model that gave them, the reason of the choice and the status.",
            ("model", "reason", "status"),
            registry=self._registry,
        )
        self._failures = Counter(
            "londi_failures",
            "Requests without an answer, or without the end of one, by the kind of the failure.",
            ("kind",),
            registry=self._registry,
        )

    def answered(self, routed: Routed, status: int) -> None:
        """Count an answer."""
        self._answers.labels(routed.step.model, routed.step.reason, str(status)).inc()

    def failed(self, kind: str) -> None:
        """Count a request without an answer, or without the end of one."""
        self._failures.labels(kind).inc()

    def answers(self) -> list[tuple[str, str, str, int]]:
        """Model, reason, status and number of the answers so far."""
        found = _samples(self._answers)
        return [(at["model"], at["reason"], at["status"], count) for at, count in found]

    def failures(self) -> list[tuple[str, int]]:
        """Kind and number of the failures so far."""
        return [(at["kind"], count) for at, count in _samples(self._failures)]

    def text(self) -> bytes:
        """All counters."""
        return generate_latest(self._registry)


def _samples(counter: Counter) -> list[tuple[Mapping[str, str], int]]:
    """The labels and the number of each count."""
    return [
        (sample.labels, int(sample.value))
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]


class _Losses(Collector):
    """What a gateway could not write down, and whether it has turned its Switcher off."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def collect(self) -> Iterator[Metric]:
        sessions, traces = self._router.steps.sessions, self._router.steps.traces
        ledger = sessions.ledger
        yield GaugeMetricFamily(
            "londi_switcher_off",
            "1 once the guard has turned the Switcher off, since it costs reward.",
            float(bool(sessions.rollout.off)),
        )
        yield CounterMetricFamily(
            "londi_ledger_failures",
            "Times that the ledger was needed and could not be reached.",
            ledger.failures if isinstance(ledger, FailClosed) else 0,
        )
        yield CounterMetricFamily(
            "londi_traces_dropped", "Rows of traces that are lost.", traces.dropped if traces else 0
        )
