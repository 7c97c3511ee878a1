"""Counters of a gateway, in Prometheus's format.

This file knows numbers, and neither texts nor keys.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest

from londi.serve.router import Routed


class Metrics:
    """Counters of one gateway."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "londi_answers",
            "Answers by the model that gave them, the reason of the choice and the status.",
            ("model", "reason", "status"),
            registry=self._registry,
        )
        self._failures = Counter(
            "londi_failures",
            "Requests that no model could be asked for, by the kind of the failure.",
            ("kind",),
            registry=self._registry,
        )

    def answered(self, routed: Routed, status: int) -> None:
        """Count an answer."""
        self._answers.labels(routed.step.model, routed.step.reason, str(status)).inc()

    def failed(self, kind: str) -> None:
        """Count a request without an answer."""
        self._failures.labels(kind).inc()

    def text(self) -> bytes:
        """All counters."""
        return generate_latest(self._registry)
