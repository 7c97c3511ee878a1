"""A state of ScienceWorld as a chat message, and a message as a state again.

This file knows the text of the messages. It knows no model, no API and no londi.
"""

from __future__ import annotations

import re
from typing import Any

SYSTEM = "You act in ScienceWorld. Answer with the next action only, in one line."

_TURN = re.compile(r"(.*)\n\nScore: (-?\d+)\nAround: (.*)\nInventory: (.*)", re.DOTALL)


def begin(goal: str) -> list[dict[str, str]]:
    """The messages before the first observation."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": goal}]


def write_turn(observation: str, info: dict[str, Any]) -> dict[str, str]:
    """The message that tells an observation."""
    told = (
        f"{observation}\n\nScore: {info['score']}\nAround: {info['look']}\n"
        f"Inventory: {info['inventory']}"
    )
    return {"role": "user", "content": told}


def read_turn(text: str) -> tuple[str, dict[str, Any]]:
    """The observation of a message, and the rest that it tells.

    Raises:
        ValueError: if it is no message of `write_turn`.
    """
    found = _TURN.fullmatch(text)
    if found is None:
        raise ValueError(
            "expected a turn of ScienceWorld: an observation, Score, Around, Inventory"
        )
    observation, score, look, inventory = found.groups()
    return observation, {"score": int(score), "look": look, "inventory": inventory}
