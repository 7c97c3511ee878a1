"""An environment that follows the contract, or breaks it one way."""

from __future__ import annotations

from typing import Any

from playthings import Texts


class Door(Texts):
    """Opens at the second step; `wrong` replaces parts of what it tells.

    Args:
        wrong: `goal`, `actions`, ... of `info`; `reward`, `terminated`, ... of a step.
        at: the step from which on it does.
    """

    def __init__(self, at: int = 0, **wrong: Any) -> None:
        self._at, self._wrong = at, wrong

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._t = 0
        return self._part("observation", "a door"), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._t += 1
        return (
            self._part("observation", f"a door after {self._t}"),
            self._part("reward", 0.5),
            self._part("terminated", self._t == 3),
            self._part("truncated", False),
            self._info(),
        )

    def _part(self, name: str, usual: Any) -> Any:
        return self._wrong.get(name, usual) if self._t >= self._at else usual

    def _info(self) -> Any:
        info = {name: self._part(name, usual) for name, usual in USUAL.items()}
        info |= {k: v for k, v in self._wrong.items() if k in OPTIONAL and self._t >= self._at}
        return self._part("info", {k: v for k, v in info.items() if v is not ...})


USUAL = {"goal": "open", "actions": ("push", "pull")}


OPTIONAL = ("success", "expert", "substituted_action", "aborted")


def declaring(**metadata: Any) -> Door:
    env = Door()
    env.metadata = metadata
    return env
