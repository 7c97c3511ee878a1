"""ScienceWorld: elementary-school science in a text world (arXiv 2203.07540).

Thirty tasks, each with variations that are published as training, development and test sets. This
file knows one environment; `simulator.py` knows how the simulator is run.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import gymnasium as gym
from gymnasium import spaces

from londi.envs.closest import closest
from londi.envs.info import Told
from londi.envs.options import check_counts, check_flags, check_names, check_seconds, checked_names
from londi.envs.scienceworld.simulator import TIMEOUT, Simulator, SimulatorError, SimulatorLost
from londi.envs.seeds import Split, split_of
from londi.errors import InvalidConfig
from londi.types import Info

TASKS = """
    boil change-the-state-of-matter-of chemistry-mix chemistry-mix-paint-secondary-color
    chemistry-mix-paint-tertiary-color find-animal find-living-thing find-non-living-thing
    find-plant freeze grow-fruit grow-plant identify-life-stages-1 identify-life-stages-2
    inclined-plane-determine-angle inclined-plane-friction-named-surfaces
    inclined-plane-friction-unnamed-surfaces lifespan-longest-lived
    lifespan-longest-lived-then-shortest-lived lifespan-shortest-lived
    measure-melting-point-known-substance measure-melting-point-unknown-substance melt
    mendelian-genetics-known-plant mendelian-genetics-unknown-plant power-component
    power-component-renewable-vs-nonrenewable-energy test-conductivity
    test-conductivity-of-unknown-substances use-thermometer
""".split()  # noqa: SIM905
"""The simulator's tasks, written out so that naming them starts no Java."""

SHORT_TASKS = """
    chemistry-mix chemistry-mix-paint-secondary-color chemistry-mix-paint-tertiary-color
    find-animal find-living-thing find-non-living-thing find-plant lifespan-longest-lived
    lifespan-longest-lived-then-shortest-lived lifespan-shortest-lived
    measure-melting-point-known-substance power-component test-conductivity
    test-conductivity-of-unknown-substances use-thermometer
""".split()  # noqa: SIM905
"""Tasks that the simulator's own solution mostly ends within 35 steps."""

SIMPLIFICATIONS = (
    "easy",
    "noElectricalAction",
    "openContainers",
    "openDoors",
    "selfWateringFlowerPots",
    "teleportAction",
)

_VARIATIONS: dict[Split, str] = {
    "train": "getVariationsTrain",
    "dev": "getVariationsDev",
    "test": "getVariationsTest",
}
_UNKNOWN = "No known action matches that input."
_AMBIGUOUS = "Ambiguous request"
_CHARSET = string.printable


@dataclass
class _Episode:
    """The episode being played.

    Attributes:
        task, variation, goal: the task, its variation, and its text.
        gold: the rest of the simulator's own solution, last action first; empty once it was left.
        text: the last observation.
        steps: actions done.
        score: the simulator's, -100 to 100.
        paid: the part of the score that has been given as reward.
        substituted_action: the action that was done in place of the last one, if it was replaced.
        info: the last `info`.
    """

    task: str
    variation: int
    goal: str
    gold: list[str]
    text: str
    steps: int = 0
    score: int = 0
    paid: int = 0
    substituted_action: str | None = None
    info: Info = field(default_factory=dict)


class ScienceWorld(gym.Env[str, str]):
    """Episodes of one or several ScienceWorld tasks, read and acted on in words.

    The return is the simulator's score, 0 to 100, in hundredths: a reward is the change of the
    score over 100, the first one with what the score was at the start. A solved episode returns
    1; a forbidden step, which the simulator punishes with a score of -100, makes it -1.
    `terminated` is a task solved or failed; `truncated` is the step limit, or a simulator that was
    lost, then with the reason in `info["aborted"]`.

    An action is any text. One that the simulator does not know is replaced by the closest valid
    action, which `info["substituted_action"]` names. `info` holds `goal`, `actions` (the valid ones
    with `list_actions`, else none: any text is an action), `success`, `score`, `task`, `variation`,
    and `look` and `inventory`, which cost no step.

    Args:
        tasks: the name of a task, or several; each episode draws one of them uniformly.
        split: the set of variations that episodes are drawn from; by default the seed of the
            episode decides, as laid out in `londi.envs.seeds`: `londi evaluate` plays test
            variations, and settings are chosen on development variations.
        simplifications: of `SIMPLIFICATIONS`; a list, or a text with commas.
        limit: steps after which an episode is truncated.
        list_actions: list the valid actions at every step, which takes most of the time of a step.
        expert: give in `info["expert"]` the next action of the simulator's own solution, as long
            as it has been followed.
        timeout: seconds to wait for one answer of the simulator.
        render_mode: None or ``"ansi"``.

    Raises:
        UnknownName: if there is no such task, split or simplification; suggests the nearest.
        InvalidConfig: if an option has a value of another kind, or out of its range.
        MissingExtra: if the simulator is not installed.
        SimulatorError: if there is no Java.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["ansi"],
        "history": "scienceworld",
        "waits": True,
        "returns": (-1.0, 1.0),
    }

    def __init__(
        self,
        tasks: str | Sequence[str] = TASKS,
        split: Split | None = None,
        simplifications: str | Sequence[str] = "easy",
        limit: int = 100,
        list_actions: bool = False,
        expert: bool = False,
        timeout: float = TIMEOUT,
        render_mode: str | None = None,
    ) -> None:
        self._tasks = checked_names("tasks", tasks, "ScienceWorld task", TASKS)
        if not self._tasks:
            raise InvalidConfig("tasks: expected one or more, got none")
        check_names("ScienceWorld split", [] if split is None else [split], get_args(Split))
        simpler = checked_names(
            "simplifications", simplifications, "ScienceWorld simplification", SIMPLIFICATIONS
        )
        check_counts(limit=limit)
        check_seconds(timeout=timeout)
        check_flags(list_actions=list_actions, expert=expert)
        self._split = split
        self._simplifications = ",".join(simpler)
        self._limit = limit
        self.list_actions = list_actions
        declared = {"lists_actions": list_actions, "horizon": limit}
        self.metadata = type(self).metadata | declared
        self._expert = expert
        self._simulator = Simulator(timeout)
        self.render_mode = render_mode
        self.observation_space = spaces.Text(max_length=1 << 16, min_length=0, charset=_CHARSET)
        self.action_space = spaces.Text(max_length=256, min_length=0, charset=_CHARSET)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        """Begin an episode; `options` may name its `task` and `variation`.

        Raises:
            UnknownName: if there is no such task.
            InvalidConfig: if the task has no such variation.
            SimulatorError: if the simulator cannot be started, or is lost twice.
        """
        super().reset(seed=seed)
        options = options or {}
        task = options.get("task") or self._tasks[int(self.np_random.integers(len(self._tasks)))]
        check_names("ScienceWorld task", [task], TASKS)
        # Drawn before anything can be lost, so that a second try is of the same episode.
        share = self.np_random.random()
        split = self._split or split_of(seed or 0)
        for _ in range(2):
            try:
                return self._begin(task, options.get("variation"), split, share)
            except SimulatorLost as error:
                reason = str(error)
        raise SimulatorError(f"an episode could not be begun in two tries: {reason}")

    def step(self, action: str) -> Told:
        now = self._episode
        now.steps += 1
        try:
            now.text = self._act(action)
            done = bool(self._simulator.ask("getCompleted"))
            info = self._look()
        except SimulatorLost as error:
            return now.text, 0.0, False, True, now.info | {"aborted": str(error), "expert": None}
        terminated = done or now.score < 0
        truncated = not terminated and now.steps >= self._limit
        reward, now.paid = (now.score - now.paid) / 100, now.score
        return now.text, reward, terminated, truncated, info

    def valid_actions(self) -> tuple[str, ...]:
        """The actions that the simulator knows in this state; costs no step, but time."""
        return tuple(self._simulator.ask("getValidActionObjectCombinations"))

    def render(self) -> str:
        return self._episode.text

    def close(self) -> None:
        self._simulator.close()

    def _begin(
        self, task: str, variation: int | None, split: Split, share: float
    ) -> tuple[str, Info]:
        ask = self._simulator.ask
        if variation is None:
            known = self._variations(task, split)
            variation = known[int(share * len(known))]
        elif variation not in range(count := ask("getTaskMaxVariations", task)):
            raise InvalidConfig(
                f"variation of {task!r}: expected a whole number from 0 to {count - 1},"
                f" got {variation!r}"
            )
        # No `reset` behind it: that would build the same world once more.
        ask("load", task, variation, self._simplifications, self._expert)
        gold = list(ask("getGoldActionSequence"))[::-1] if self._expert else []
        text = str(ask("step", "look around"))
        goal = " ".join(str(ask("freeActionTaskDesc")).split()).removeprefix("Task Description: ")
        self._episode = _Episode(task, variation, goal, gold, text)
        return text, self._look()

    def _variations(self, task: str, split: Split) -> tuple[int, ...]:
        if (task, split) not in _KNOWN:
            self._simulator.ask("load", task, 0, "", False)
            _KNOWN[task, split] = tuple(self._simulator.ask(_VARIATIONS[split]))
        return _KNOWN[task, split]

    def _act(self, action: str) -> str:
        """Do the action, or the closest valid one, and return the observation."""
        ask, now = self._simulator.ask, self._episode
        now.substituted_action = None
        observation = str(ask("step", action))
        if observation.startswith(_AMBIGUOUS):
            # The simulator lists what may be meant, and takes the number of one.
            now.substituted_action = observation.partition("0:\t")[2].partition("\n")[0]
            observation = str(ask("step", "0"))
        elif observation == _UNKNOWN:
            now.substituted_action = closest(action, self.valid_actions())
            observation = str(ask("step", now.substituted_action))
        if now.gold and now.gold.pop() != (now.substituted_action or action):
            now.gold = []
        return observation

    def _look(self) -> Info:
        """The `info` of the current state, which costs no step."""
        ask, now = self._simulator.ask, self._episode
        now.score = round(100 * float(ask("getScore")))
        now.info = {
            "goal": now.goal,
            "actions": self.valid_actions() if self.list_actions else (),
            "success": now.score >= 100,
            "score": now.score,
            "task": now.task,
            "variation": now.variation,
            "look": str(ask("freeActionLook")),
            "inventory": str(ask("freeActionInventory")),
        }
        if now.substituted_action is not None:
            now.info["substituted_action"] = now.substituted_action
        if self._expert:
            now.info["expert"] = now.gold[-1] if now.gold else None
        return now.info


_KNOWN: dict[tuple[str, Split], tuple[int, ...]] = {}
"""Variations by task and split, kept since asking the simulator takes time."""
