"""Conversations with stateful tools, from the Berkeley Function Calling Leaderboard.

This file knows how an episode goes: requests, calls, results, and a check at the end of each turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import gymnasium as gym
from gymnasium import spaces

from londi.envs.info import Told
from londi.envs.options import check_counts, check_flags, check_names
from londi.envs.seeds import Split, split_of
from londi.envs.toolcalls.calls import IllFormed, read_call
from londi.envs.toolcalls.expert import Expert
from londi.envs.toolcalls.prompt import RESULT, USER, Docs, described
from londi.envs.toolcalls.tasks import CATEGORIES, Task, check_installed, tasks
from londi.envs.toolcalls.tools import Toolbox, passed
from londi.errors import InvalidConfig
from londi.types import Info

_END = "The conversation is over."


@dataclass
class _Episode:
    """The conversation that is being played.

    Attributes:
        task: its task.
        tools: the tools that the agent uses.
        reference: tools in which the solution is executed, turn by turn.
        expert: gives advice, if that was asked for.
        turn: number of the current turn.
        steps: steps of the episode.
        turn_steps: steps of the current turn.
        calls: calls that were executed in the current turn.
        passed: turns that were done as asked.
        results: results of all calls that were executed.
    """

    task: Task
    tools: Toolbox
    reference: Toolbox
    expert: Expert | None
    turn: int = 0
    steps: int = 0
    turn_steps: int = 0
    calls: int = 0
    passed: int = 0
    results: list[str] = field(default_factory=list)

    @property
    def turns(self) -> int:
        """Turns of the conversation."""
        return len(self.task.requests)

    @property
    def ended(self) -> bool:
        """Whether all turns have been had."""
        return self.turn == self.turns


class ToolCalls(gym.Env[str, str]):
    """Conversations in which a user asks for things that functions can do.

    A step is one function call in Python's form, such as ``cd(folder='document')``, or a message:
    any other text, which ends the turn. An observation is a message of the user or the result of a
    call; a call that cannot be made has an error as its result. No text is evaluated: arguments are
    literals.

    At the end of a turn bfcl_eval's own checks compare the state of all tools, and the results that
    were got, with those of the solution. A turn that passes is rewarded by 1 over the number of
    turns, so that the return is at most 1; `success` is that all of them have passed, which is what
    the leaderboard counts. `terminated` is the end of the last turn, `truncated` a step limit.

    `info` holds `goal` (the user's last message), `actions` (none: any text is one), `functions`
    (those at hand, one a line), `success`, `task`, `turn` and `passed`.

    Args:
        category: one of `CATEGORIES`, or several: each episode is one of their tasks.
        split: the set of tasks that episodes are drawn from; by default the seed of the episode
            decides, as laid out in `londi.envs.seeds`. As many seeds in a row as there are tasks
            give each task once.
        docs: how much of each function's documentation a prompt shows: its signature, also its
            first sentence, or all of it as JSON, as the leaderboard does.
        turn_limit: steps after which a turn that has not ended ends the episode.
        limit: steps after which an episode is truncated.
        expert: give in `info["expert"]` the solution's next call, as long as it has been followed.

    Raises:
        UnknownName: if there is no such category, split or form of documentation.
        InvalidConfig: if an option has a wrong value, or bfcl_eval is another release.
        MissingExtra: if bfcl_eval is not installed; says how it is.
    """

    observation_space = spaces.Text(1_000_000)
    action_space = spaces.Text(100_000)

    def __init__(
        self,
        category: str | Sequence[str] = "base",
        split: Split | None = None,
        docs: Docs = "signatures",
        turn_limit: int = 40,
        limit: int = 50,
        expert: bool = False,
    ) -> None:
        if not (category and isinstance(category, (str, list, tuple))):
            raise InvalidConfig(f"category: expected a name or a list of them, got {category!r}")
        categories = (category,) if isinstance(category, str) else tuple(category)
        check_names("category", categories, CATEGORIES)
        check_names("split", [] if split is None else [split], get_args(Split))
        check_names("docs", [docs], get_args(Docs))
        check_counts(turn_limit=turn_limit, limit=limit)
        check_flags(expert=expert)
        check_installed()
        self._categories, self._split, self._docs = categories, split, docs
        self._turn_limit, self._limit, self._expert = turn_limit, limit, expert
        self.metadata = {
            "history": "toolcalls",
            "returns": (0.0, 1.0),
            "lists_actions": False,
            "horizon": limit,
        }

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        super().reset(seed=seed)
        number = int(self.np_random.integers(1 << 30)) if seed is None else seed
        chosen = tasks(self._categories, self._split or split_of(number))
        task = chosen[number % len(chosen)]
        tools = Toolbox(task)
        expert = Expert(task, tools) if self._expert else None
        self._episode = _Episode(task, tools, Toolbox(task), expert)
        return USER + task.requests[0], self._info()

    def step(self, action: str) -> Told:
        episode = self._episode
        episode.steps += 1
        episode.turn_steps += 1
        reward = 0.0
        try:
            call = read_call(action, episode.tools.names)
        except IllFormed as error:
            observation = f"{RESULT}Error: {error}"
        else:
            if call is None:
                reward, observation = self._end_turn()
            else:
                result = episode.tools.execute(call)
                episode.calls += 1
                episode.results.append(result)
                observation = RESULT + result
                if episode.expert:
                    episode.expert.called(call)
        over = episode.steps >= self._limit or episode.turn_steps >= self._turn_limit
        return observation, reward, episode.ended, over and not episode.ended, self._info()

    def _end_turn(self) -> tuple[float, str]:
        """The reward of the turn that has ended, and what the user says next."""
        episode = self._episode
        expected = [
            _executed(episode.reference, call) for call in episode.task.solution[episode.turn]
        ]
        good = passed(episode.tools, episode.reference, episode.calls, episode.results, expected)
        if episode.expert:
            episode.expert.turned(episode.reference)
        episode.passed += good
        episode.turn += 1
        episode.calls = episode.turn_steps = 0
        said = _END if episode.ended else USER + episode.task.requests[episode.turn]
        return good / episode.turns, said

    def _info(self) -> Info:
        episode = self._episode
        now = min(episode.turn, episode.turns - 1)
        info: Info = {
            "goal": episode.task.requests[now],
            "actions": (),
            "functions": described(episode.task.functions[now], self._docs),
            "success": episode.passed == episode.turns,
            "task": episode.task.name,
            "turn": episode.turn,
            "passed": episode.passed,
        }
        if episode.expert:
            info["expert"] = None if episode.ended else episode.expert.advice
        return info


def _executed(tools: Toolbox, text: str) -> str:
    """The result of a call of the solution."""
    call = read_call(text, tools.names)
    assert call is not None
    return tools.execute(call)
