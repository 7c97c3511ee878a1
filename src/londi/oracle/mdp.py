"""The switching problem on small finite MDPs, solved exactly as a reference for learning.

Definitions follow LONDI (arXiv 2402.12061). There is no language model here and no network:
the two models are two transition matrices. All arithmetic is float64 NumPy.

Shapes: S states; values are discounted sums of reward, as is the cost of a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MOST_ITERATIONS = 10_000


@dataclass(frozen=True, eq=False)
class FiniteSwitching:
    """Two Markov reward processes on the same states: one if QUICK acts, one if DEEPTHINK.

    Each is already averaged over the actions that its model would choose. A terminal state
    leads to itself with reward 0 under both.

    Attributes:
        quick_P: [S, S], chance of each next state when QUICK acts.
        quick_R: [S], expected reward of that step.
        deepthink_P: [S, S], the same when DEEPTHINK acts.
        deepthink_R: [S], no cost taken off.
        gamma: discount, in [0, 1).

    Raises:
        ValueError: if shapes disagree, a row is no distribution, or gamma is out of range.
    """

    quick_P: Floats
    quick_R: Floats
    deepthink_P: Floats
    deepthink_R: Floats
    gamma: float

    def __post_init__(self) -> None:
        size = len(self.quick_R)
        for name, shape in (
            ("quick_P", (size, size)),
            ("quick_R", (size,)),
            ("deepthink_P", (size, size)),
            ("deepthink_R", (size,)),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}")
        for name, matrix in (("quick_P", self.quick_P), ("deepthink_P", self.deepthink_P)):
            if (matrix < 0).any() or not np.allclose(matrix.sum(1), 1.0):
                raise ValueError(f"each row of {name} must be a probability distribution")
        if not 0 <= self.gamma < 1:
            raise ValueError(f"gamma must be in [0, 1), got {self.gamma}")

    @property
    def states(self) -> int:
        """Number of states, S."""
        return len(self.quick_R)

    @cached_property
    def terminal(self) -> Bools:
        """[S], whether a state is never left and earns nothing."""
        stays = (np.diag(self.quick_P) == 1) & (np.diag(self.deepthink_P) == 1)
        ends: Bools = stays & (self.quick_R == 0) & (self.deepthink_R == 0)
        return ends

    @cached_property
    def _cumulative(self) -> Floats:
        """[2, S, S]; the last column is 1 exactly, so that rounding leaves no gap."""
        cumulative: Floats = np.stack([self.quick_P, self.deepthink_P]).cumsum(-1)
        return cumulative / cumulative[..., -1:]

    def step(
        self, state: Ints, choice: Ints, rng: np.random.Generator
    ) -> tuple[Floats, Ints, Bools]:
        """Play one step from each of n states.

        Args:
            state: [n].
            choice: [n], 1 where DEEPTHINK acts.
            rng: generator of the next states.

        Returns:
            The expected reward [n] with no cost taken off, the next state [n], and whether
            that one is terminal [n].
        """
        reward = np.where(choice == 1, self.deepthink_R[state], self.quick_R[state])
        drawn = rng.random(len(state))[:, None]
        after = (drawn >= self._cumulative[choice, state]).sum(-1)
        return reward, after, self.terminal[after]


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimal Switcher.

    Attributes:
        value: [S], or [n + 1, S] by calls left; the optimal value of each state.
        choice: the same shape; True where calling DEEPTHINK is strictly better.
        iterations: rounds of policy iteration that it took.
    """

    value: Floats
    choice: Bools
    iterations: int


def intervention(mdp: FiniteSwitching, v: Floats, cost: float) -> Floats:
    """(M v)(s) = E_DEEPTHINK[R - c + gamma v(s')], [S] (LONDI's intervention operator)."""
    return mdp.deepthink_R - cost + mdp.gamma * mdp.deepthink_P @ v


def continuation(mdp: FiniteSwitching, v: Floats) -> Floats:
    """E_QUICK[R + gamma v(s')], [S]: the value of not calling."""
    return mdp.quick_R + mdp.gamma * mdp.quick_P @ v


def bellman(mdp: FiniteSwitching, v: Floats, cost: float) -> Floats:
    """(T v)(s), [S]: the better of intervention and continuation; a gamma-contraction."""
    return np.maximum(intervention(mdp, v, cost), continuation(mdp, v))


def solve(mdp: FiniteSwitching, cost: float, tolerance: float = 1e-10) -> Solution:
    """The fixed point v* of T, and the calls that reach it.

    Args:
        mdp: the problem.
        cost: price of a call, in units of reward; may be infinite.
        tolerance: advantages up to this are ties, and a tie goes to QUICK. It must exceed
            the rounding error of a value, which grows as gamma nears 1.

    Raises:
        RuntimeError: if `tolerance` is lost in rounding, so that no policy settles.
    """
    return _policy_iteration(mdp, mdp.deepthink_P, mdp.deepthink_R - cost, tolerance)


def solve_budgeted(
    mdp: FiniteSwitching, cost: float, budget: int, tolerance: float = 1e-10
) -> Solution:
    """LONDI-B with a hard limit: the state is (s, x), and at x = 0 only QUICK may act.

    Row x of the result is for x calls left. A call moves to row x - 1, so the rows are
    solved from 0 upwards, each as a problem of when to stop and take what a call is worth.

    Args:
        mdp: the problem.
        cost: price of a call within the budget, in units of reward.
        budget: calls at the start, n.
        tolerance: as for `solve`.

    Returns:
        Value and choice [n + 1, S].

    Raises:
        ValueError: if the budget is negative.
    """
    if budget < 0:
        raise ValueError(f"budget must not be negative, got {budget}")
    never = np.zeros(mdp.states, np.bool_)
    rows = [Solution(evaluate_policy(mdp, never, cost), never, 0)]
    nowhere = np.zeros_like(mdp.deepthink_P)  # the value after a call is part of its reward already
    for _ in range(budget):
        worth = intervention(mdp, rows[-1].value, cost)
        rows.append(_policy_iteration(mdp, nowhere, worth, tolerance))
    return Solution(
        value=np.stack([row.value for row in rows]),
        choice=np.stack([row.choice for row in rows]),
        iterations=sum(row.iterations for row in rows),
    )


def evaluate_policy(mdp: FiniteSwitching, choice: Bools, cost: float) -> Floats:
    """Value [S] of calling exactly where `choice` [S] says, by solving (I - gamma P) v = R."""
    return _evaluate(mdp, choice, mdp.deepthink_P, mdp.deepthink_R - cost)


def expected_sum(
    mdp: FiniteSwitching, call_probability: Floats, outcome: Floats, gamma: float
) -> Floats:
    """Expected sum [S] of gamma^t times the outcome of step t, choices drawn, until the end.

    Solves (I - gamma P) v = r over the states that are not terminal, where P and r are the two
    models' in the policy's proportion; 0 at terminal states.

    Args:
        mdp: the problem; its own `gamma` and rewards are not used.
        call_probability: [S], P(g = 1) of a policy.
        outcome: [S, 2], expected outcome of a step of QUICK and of DEEPTHINK, such as a reward or
            the number of calls.
        gamma: discount, in [0, 1]; at 1 every path must reach a terminal state.
    """
    p, goes_on = call_probability, ~mdp.terminal
    P = (1 - p)[:, None] * mdp.quick_P + p[:, None] * mdp.deepthink_P
    r = (1 - p) * outcome[:, 0] + p * outcome[:, 1]
    value = np.zeros(mdp.states)
    inner = P[np.ix_(goes_on, goes_on)]
    value[goes_on] = np.linalg.solve(np.eye(len(inner)) - gamma * inner, r[goes_on])
    return value


def q_learning(
    mdp: FiniteSwitching,
    cost: float,
    steps: int,
    rng: np.random.Generator,
    exploration: float = 0.5,
    restart: float = 0.1,
    step_power: float = 0.7,
) -> Floats:
    """Tabular Q-learning of the Switcher, along sampled paths.

    Args:
        mdp: the problem; only `step` and `gamma` are used.
        cost: price of a call, in units of reward.
        steps: transitions to learn from.
        rng: generator of all random numbers.
        exploration: share of the choices that are uniform rather than greedy.
        restart: chance after each step of a new start; a terminal state always starts anew.
            A start is a uniform state that is not terminal.
        step_power: the k-th visit of a pair moves it by k to the minus this; values in
            (0.5, 1] converge.

    Returns:
        Q [S, 2]; column 1 is calling DEEPTHINK.
    """
    starts = np.flatnonzero(~mdp.terminal)
    q = np.zeros((mdp.states, 2))
    visits = np.zeros((mdp.states, 2))
    state = int(rng.choice(starts))
    for _ in range(steps):
        greedy = rng.random() >= exploration
        choice = int(q[state, 1] > q[state, 0]) if greedy else int(rng.integers(2))
        reward, after, ended = mdp.step(np.array([state]), np.array([choice]), rng)
        future = 0.0 if ended[0] else q[after[0]].max()
        target = reward[0] - cost * choice + mdp.gamma * future
        visits[state, choice] += 1
        q[state, choice] += visits[state, choice] ** -step_power * (target - q[state, choice])
        state = int(after[0])
        if ended[0] or rng.random() < restart:
            state = int(rng.choice(starts))
    return q


def random_mdp(
    states: int,
    rng: np.random.Generator,
    gamma: float = 0.9,
    terminals: int = 1,
    acyclic: bool = False,
) -> FiniteSwitching:
    """A random problem; rewards are uniform in [-1, 1], and the last states are terminal.

    Args:
        states: number of states, S.
        rng: generator of the problem.
        gamma: discount.
        terminals: number of terminal states.
        acyclic: if true, every step leads to a later state, so that an episode has at most
            `states - terminals` steps. Needs at least one terminal state.

    Raises:
        ValueError: if `terminals` does not fit.
    """
    if not int(acyclic) <= terminals < states:
        raise ValueError(f"terminals must be in [{int(acyclic)}, {states}), got {terminals}")
    ends = np.arange(states) >= states - terminals
    forward = np.triu(np.ones((states, states), np.bool_), 1)

    def model() -> tuple[Floats, Floats]:
        weight = rng.exponential(size=(states, states))  # normalised: uniform on the simplex
        if acyclic:
            weight[~forward] = 0.0
        weight[ends] = np.eye(states)[ends]
        reward = np.where(ends, 0.0, rng.uniform(-1.0, 1.0, states))
        return weight / weight.sum(1, keepdims=True), reward

    return FiniteSwitching(*model(), *model(), gamma=gamma)


def _policy_iteration(
    mdp: FiniteSwitching, call_P: Floats, call_R: Floats, tolerance: float
) -> Solution:
    """Howard's policy iteration between QUICK and a call that pays `call_R`, then `call_P`."""
    choice = np.zeros(mdp.states, np.bool_)
    for iteration in range(1, MOST_ITERATIONS + 1):
        value = _evaluate(mdp, choice, call_P, call_R)
        advantage = call_R + mdp.gamma * call_P @ value - continuation(mdp, value)
        # Change only for a clear gain: a tie that flips to and fro would never settle.
        better = np.where(choice, advantage >= -tolerance, advantage > tolerance)
        if (better == choice).all():
            return Solution(value, advantage > tolerance, iteration)
        choice = better
    raise RuntimeError(f"no policy settled at a tolerance of {tolerance}; raise it")


def _evaluate(mdp: FiniteSwitching, choice: Bools, call_P: Floats, call_R: Floats) -> Floats:
    # `where` and no arithmetic, since an infinite cost times zero is not a number.
    P = np.where(choice[:, None], call_P, mdp.quick_P)
    R = np.where(choice, call_R, mdp.quick_R)
    value: Any = np.linalg.solve(np.eye(mdp.states) - mdp.gamma * P, R)
    return np.asarray(value, np.float64)
