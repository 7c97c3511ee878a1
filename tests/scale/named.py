"""The corridor and its players by name, so that workers can load them."""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium as gym

from londi.envs.prompt import Prompt
from londi.types import Reply
from playthings import Corridor, Scripted
from scale.units import suffer

ENV = "scale.named:Walk-v0"

if "Walk-v0" not in gym.registry:
    gym.register("Walk-v0", entry_point=Corridor)


class Frail(Scripted):
    """A player that dies or hangs where that is asked for."""

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        suffer()
        return super().act(prompts)


def quick() -> Scripted:
    return Scripted("scale.named:quick", ["easy"])


def deepthink() -> Frail:
    return Frail("scale.named:deepthink", ["easy", "hard", "the end"])
