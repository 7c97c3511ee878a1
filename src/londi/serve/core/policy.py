"""The policy that decides in real traffic: an exported Switcher, or a rule that needs none.

This file knows exported Switchers and encoders that read text alone. It does not know a session.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import inf
from pathlib import Path

from londi.encoders.base import Encoder
from londi.encoders.registry import make_prompt_encoder
from londi.errors import InvalidConfig, LondiError
from londi.switching.budget import Budget
from londi.switching.observation import ObservationLayout
from londi.switching.switcher import ConstantSwitcher, OnnxSwitcher, Switcher
from londi.types import CostBudget

RULES = {"always-quick": 0.0, "always-deepthink": 1.0}
"""Rules, and the probability of a call under each; `random:P` has P."""
RANDOM = "random:"


@dataclass(frozen=True)
class Policy:
    """A Switcher, what it reads, and how costs and budgets are shown to it.

    Attributes:
        switcher: decides.
        encoder: makes its features.
        version: an identity: equal for two policies only if they decide alike.
        cost: c at which it plays where nobody says otherwise.
        fixed: the cost and budget that it was trained for; None for a range, or for a rule.
    """

    switcher: Switcher
    encoder: Encoder
    version: str
    cost: float = 0.0
    fixed: CostBudget | None = None

    @property
    def layout(self) -> ObservationLayout:
        """The columns of its observations."""
        return ObservationLayout(self.encoder.size)

    def check_cost(self, cost: float) -> None:
        """Refuse a cost that the Switcher was not trained for.

        Raises:
            InvalidConfig: for such a cost.
        """
        self.switcher.check_supported(cost, Budget())
        if self.fixed is not None and cost != self.fixed.cost:
            raise InvalidConfig(
                f"cost: expected {self.fixed.cost:g}, for which the Switcher was trained, got"
                f" {cost:g}; one of `londi train --universal` takes any of its range"
            )

    def shown(self, asked: CostBudget) -> CostBudget:
        """The nearest cost and budget that the Switcher was trained for."""
        supported = self.switcher.supported
        if supported is not None:
            cost = min(max(asked.cost, supported.low), supported.high)
            left = asked.remaining
            return CostBudget(cost, left if left == inf else min(left, supported.most))
        if self.fixed is None:
            return asked
        most = self.fixed.remaining
        return CostBudget(self.fixed.cost, most if most == inf else min(asked.remaining, most))


def load_policy(spec: str) -> Policy:
    """The policy that `spec` names.

    Args:
        spec: a file of `londi export`, `always-quick`, `always-deepthink`, or `random:P` for a call
            with probability P at every step.

    Raises:
        InvalidConfig: if it is none of these, or the Switcher reads more than text.
        LondiError: if the file cannot be read, or is no Switcher.
    """
    if spec in RULES or spec.startswith(RANDOM):
        return _rule(spec)
    if not spec.endswith(".onnx"):
        raise InvalidConfig(
            f"switcher: expected a file of `londi export`, {', '.join(RULES)} or {RANDOM}P,"
            f" got {spec!r}"
        )
    switcher = Switcher.load(spec)
    assert isinstance(switcher, OnnxSwitcher)
    made = switcher.made
    encoder = make_prompt_encoder(made.encoder)
    if encoder is None:
        raise InvalidConfig(
            f"switcher: {spec!r} was trained with the encoder {made.encoder!r}, which reads one of"
            " its two models; expected one that reads text alone: text, sentence:<model> or"
            " model:<name>"
        )
    if encoder.size != made.features:
        raise LondiError(
            f"{spec!r}: expected {made.features} features of the encoder {made.encoder!r}, and it"
            f" gives {encoder.size}; export the Switcher anew"
        )
    version = hashlib.sha256(Path(spec).read_bytes()).hexdigest()[:16]
    budget = inf if made.budget is None else made.budget
    fixed = None if switcher.supported else CostBudget(made.cost, budget)
    return Policy(switcher, encoder, version, made.cost, fixed)


def _rule(spec: str) -> Policy:
    encoder = make_prompt_encoder("none")
    assert encoder is not None
    try:
        share = RULES[spec] if spec in RULES else float(spec.removeprefix(RANDOM))
        return Policy(ConstantSwitcher(share), encoder, spec)
    except ValueError:  # InvalidConfig among them
        raise InvalidConfig(
            f"switcher: expected {RANDOM}P with P from 0 to 1, got {spec!r}"
        ) from None
