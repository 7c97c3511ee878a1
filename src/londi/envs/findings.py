"""Findings of `check_env`: what is wrong or missing, where, and how it is mended.

This file knows the parts of the contract by name. It does not know how a fault is found.
"""

from __future__ import annotations

from typing import NamedTuple

MENDS = {
    "contract": "see docs/how-to/own-environment.md",
    "observation_space": "write observation_space = gymnasium.spaces.Text(1000) in the class",
    "action_space": "write action_space = gymnasium.spaces.Text(1000) in the class",
    "metadata": "write metadata = {...}, or leave it out",
    "waits": "declare True only where a step waits for another process",
    "slow": "declare True where a step takes milliseconds, or leave it out",
    "lists_actions": "declare False where info['actions'] is empty",
    "restorable": "declare True only with the members of londi.envs.restorable.Restorable",
    "restorable member": "write it as londi.envs.restorable.Restorable says, or leave 'restorable'"
    " out",
    "rewindable": "declare True only with the members of londi.envs.restorable.Rewindable",
    "rewindable member": "write it as londi.envs.restorable.Rewindable says, or leave 'rewindable'"
    " out",
    "history": "leave it out for the plain history, or name one of londi.envs.histories",
    "history reads": "give it at reset and at each step: the declared history reads it",
    "returns": "declare such as (0.0, 1.0), or leave it out",
    "horizon": "declare the number of steps after which an episode is truncated, or leave it out",
    "reset raised": "write def reset(self, *, seed=None, options=None)",
    "seeds": "take any whole number below 1,000,000,000 as seed",
    "step raised": "let step return for each action that info['actions'] names",
    "any text": "let such an action do nothing, or do another one and name that in"
    " info['substituted_action']",
    "reset": "end reset with: return observation, info",
    "step": "end step with: return observation, reward, terminated, truncated, info",
    "observation": "return what is seen as one text",
    "info": "return a dictionary with 'goal' and 'actions'",
    "goal": "give the task of the episode in words, at reset and at each step",
    "actions": "give a tuple of the possible actions, at reset and at each step; () where any text"
    " is one",
    "expert": "give the action that the expert would do, or None where it has no advice",
    "reward": "return a float",
    "terminated": "return bool(...)",
    "truncated": "return bool(...)",
    "success": "give bool(...), or leave it out",
    "substituted_action": "give the action that was done in place of an unknown one, or leave it"
    " out",
    "aborted": "return truncated=True where the environment breaks an episode off",
    "same seed": "draw from self.np_random alone, which super().reset(seed=seed) seeds, and keep"
    " nothing of the last episode",
    "side by side": "keep the state of an episode in self, not in the class or the module",
    "prompt": "let the history that metadata['history'] names make a text of each state",
    "restore": "let snapshot hold all that a step depends on but the step count",
    "total": "declare the least and the greatest sum of an episode's rewards",
    "too long": "truncate at the step that metadata['horizon'] names",
    "advice": "advise an action as info['actions'] has it",
}
"""How a fault is mended, by the part of the contract that is broken."""


class Finding(NamedTuple):
    """A fault or a hint; one line as text.

    Attributes:
        is_fault: whether the contract is broken; else it is a hint.
        where: the environment, and the episode and the step if there is one.
        what: what is wrong, or missing.
        mend: how it is mended.
    """

    is_fault: bool
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def fault(where: str, part: str, what: str) -> Finding:
    """A fault in a part of the contract.

    Args:
        where: the environment, and the episode and the step if there is one.
        part: the part, a key of `MENDS`.
        what: what was expected, and what came.
    """
    return Finding(True, where, what, MENDS[part])


def hint(where: str, what: str, mend: str) -> Finding:
    """A hint on something optional."""
    return Finding(False, where, what, mend)
