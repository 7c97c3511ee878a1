"""Scripted players of tool calls, with fingerprints, so that `londi limit` takes them.

A prompt shows the whole conversation, so that the expert's advice follows from its text.
"""

from __future__ import annotations

from londi.models.scripted import ErringExpert, ExpertModel

SHARE = 0.3


class Careful(ExpertModel):
    name = "solvers:Careful"
    fingerprint = "careful"


class Slipping(ErringExpert):
    fingerprint = "slipping"

    def __init__(self) -> None:
        super().__init__(SHARE)
        self.name = "solvers:Slipping"
