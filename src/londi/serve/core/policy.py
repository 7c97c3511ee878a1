"""The policy that decides in real traffic: an exported Switcher, or a rule that needs none.

This file knows exported Switchers and encoders that read text alone. It does not know a session.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np

from londi.encoders.base import Encoder
from londi.encoders.registry import make_prompt_encoder
from londi.envs.conversation import ConversationPrompt
from londi.errors import InvalidConfig, LondiError
from londi.switching.budget import Budget
from londi.switching.observation import ObservationLayout, State
from londi.switching.switcher import ConstantSwitcher, OnnxSwitcher, Switcher
from londi.types import Array, CostBudget

RULES = {"always-quick": 0.0, "always-deepthink": 1.0}
"""Rules, and the probability of a call under each; `random:P` has P."""
RANDOM = "random:"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says of a state.

    Attributes:
        probability: P(g = 1), among what is allowed.
        expected_gain: return that a call is expected to add; None where the policy does not say.
        expected_calls: DEEPTHINK calls that a call now is expected to add, itself among them.
        shown: cost and budget that the policy was shown.
        observation: what it saw, float32 `[D]`.
    """

    probability: float
    expected_gain: float | None
    expected_calls: float | None
    shown: CostBudget
    observation: Array


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

    @property
    def slow(self) -> bool:
        """Whether a decision takes so long that no event loop may wait for it."""
        return self.encoder.slow

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

    def judge(
        self,
        prompt: ConversationPrompt,
        asked: CostBudget,
        steps: int,
        repeats: int,
        allowed: Array,
    ) -> Judgement:
        """What the policy says of a state.

        Args:
            prompt: the state.
            asked: its cost and budget.
            steps: decisions before.
            repeats: how often the last observation was seen before.
            allowed: the possible choices, `[1, 2]`.
        """
        shown, layout = self.shown(asked), self.layout
        row = np.zeros((1, layout.observed), np.float32)
        (features,) = self.encoder.encode([prompt], [])
        layout.write(row[0], features, State(prompt, shown, steps, repeats))
        probability = float(self.switcher.call_probability(row, allowed)[0])
        gain = calls = None
        if self.switcher.supported is not None:
            expected = self.switcher.expect(row)
            gain, calls = float(expected.gain[0]), float(expected.more_calls[0])
        return Judgement(probability if allowed[0, 0] else 1.0, gain, calls, shown, row[0])

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


def load_policy(spec: str, name: str = "switcher") -> Policy:
    """The policy that `spec` names.

    Args:
        spec: a file of `londi export`, `always-quick`, `always-deepthink`, or `random:P` for a call
            with probability P at every step.
        name: the setting that it is.

    Raises:
        InvalidConfig: if it is none of these, or the Switcher reads more than text.
        LondiError: if the file cannot be read, or is no Switcher.
    """
    if spec in RULES or spec.startswith(RANDOM):
        return _rule(spec, name)
    if not spec.endswith(".onnx"):
        raise InvalidConfig(
            f"{name}: expected a file of `londi export`, {', '.join(RULES)} or {RANDOM}P,"
            f" got {spec!r}"
        )
    switcher = Switcher.load(spec)
    assert isinstance(switcher, OnnxSwitcher)
    made = switcher.made
    encoder = make_prompt_encoder(made.encoder)
    if encoder is None:
        raise InvalidConfig(
            f"{name}: {spec!r} was trained with the encoder {made.encoder!r}, which reads one of"
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


def always_deepthink(policy: Policy) -> Policy:
    """The rule that always calls DEEPTHINK; it sees what `policy` sees, and at its cost."""
    rule = next(name for name, share in RULES.items() if share == 1.0)
    return Policy(ConstantSwitcher(1.0), policy.encoder, rule, policy.cost)


def _rule(spec: str, name: str) -> Policy:
    # A rule reads nothing; its traces hold what a Switcher can learn from.
    encoder = make_prompt_encoder("text")
    assert encoder is not None
    try:
        share = RULES[spec] if spec in RULES else float(spec.removeprefix(RANDOM))
        return Policy(ConstantSwitcher(share), encoder, spec)
    except ValueError:  # InvalidConfig among them
        raise InvalidConfig(
            f"{name}: expected {RANDOM}P with P from 0 to 1, got {spec!r}"
        ) from None
