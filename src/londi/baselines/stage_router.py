"""Switchyard's `stage_router` as a Switcher: signals of the last tool results choose the model.

[NVIDIA's Switchyard](https://github.com/NVIDIA-NeMo/Switchyard) (`nemo-switchyard` 0.3.0,
docs/routing_algorithms/stage_router_routing.md) reads the tool calls of a conversation. Failed
results, and many turns that only look, point to the capable model; changes in the last turns point
to the efficient one. Each signal is worth as much as any other, their signed sum is a confidence
between 0 and 1, and below a threshold the turn goes to a default model. Its settings are that
threshold, the default (`picker`), how many of the last results are read (`recent_window`), and what
kind of work a tool does (`tool_semantics`).

An episode has no tool calls. So that the router has something to read, each action is written as
the call of a tool named by its verb, each observation as the result of that tool, and the tools are
declared as looking (`observe`) or changing something (`mutate`); moving about is tried as either. A
result is an error where the environment does not know the action, or where an action that should
change what is seen did not.
This file knows how a prompt is written as such a conversation. It does not know how Switchyard is
run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from londi.baselines.switchyard_process import Message, Settings, Switchyard
from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.switcher import Switcher
from londi.types import Array, Reply

LOOKING = ("examine", "inventory", "look", "read", "task", "turn")
MOVING = ("go", "teleport")
CHANGING = (
    *("activate", "close", "connect", "deactivate", "disconnect", "drop", "dunk", "eat", "flush"),
    *("focus", "mix", "move", "open", "pick", "pour", "put", "toggle", "use"),
)
"""Verbs of BabyAI-Text and ScienceWorld; others are tools of no kind."""
STILL = frozenset({"examine", "inventory", "look", "read", "task", "wait", "wait1"})
"""Verbs after which the same may be seen as before, and no mistake was made."""
UNKNOWN = "No known action matches that input."
"""ScienceWorld's answer to what is no action."""
TOOL = "world_{}"
"""Name of a tool: names such as `read` have a meaning of their own in Switchyard."""
WINDOWS = (1, 3)
"""Last results that are read; 3 is Switchyard's default."""
THRESHOLDS = (0.1, 0.2, 0.4, 0.5)
"""0.5 is the recommended one. One full signal is a confidence of 0.46, a third of one 0.16."""
PICKERS = ("efficient_first", "capable_first")
KINDS = {"observe": "looking", "mutate": "a change"}
"""Kinds of tools that moving about may be declared as."""


class TranscriptEncoder(Encoder):
    """The number of a prompt in a list of all that were seen, for a Switcher that reads texts.

    A float32 holds whole numbers up to 16 million, which is more states than a memory holds.
    """

    size = 1
    slow = False
    spec = "londi.baselines.stage_router:TRANSCRIPTS"

    def __init__(self) -> None:
        self._numbers: dict[Prompt, int] = {}
        self._prompts: list[Prompt] = []

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> Array:
        del replies
        return np.array([[self._number(prompt)] for prompt in prompts], np.float32)

    def prompt(self, number: int) -> Prompt:
        """The prompt of that number."""
        return self._prompts[number]

    def _number(self, prompt: Prompt) -> int:
        kept = Prompt(prompt.goal, (), prompt.observations, prompt.past).recent(max(WINDOWS) + 1)
        number = self._numbers.setdefault(kept, len(self._prompts))
        if number == len(self._prompts):
            self._prompts.append(kept)
        return number


TRANSCRIPTS = TranscriptEncoder()
"""The one that every `StageSwitcher` reads."""


class StageSwitcher(Switcher):
    """Calls DEEPTHINK where `stage_router` picks the capable model.

    Args:
        switchyard: the process that has it.
        picker: which model goes on where the signals are not clear.
        threshold: the confidence from which they are.
        window: last results that are read.
        moving: the kind of tool that moving about is, of `KINDS`.
    """

    encoder = TranscriptEncoder.spec

    def __init__(
        self, switchyard: Switchyard, picker: str, threshold: float, window: int, moving: str
    ) -> None:
        self.settings: Settings = {
            "picker": picker,
            "confidence_threshold": threshold,
            "recent_window": window,
            "tool_semantics": {
                kind: [TOOL.format(verb) for verb in (*verbs, *(MOVING if kind == moving else ()))]
                for kind, verbs in (("observe", LOOKING), ("mutate", CHANGING))
            },
        }
        self._switchyard, self._layout = switchyard, ObservationLayout(TRANSCRIPTS.size)
        self._known: dict[tuple[int, int], bool] = {}

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        view = self._layout.view(observation)
        numbers, steps = view.features[:, 0].astype(int).tolist(), steps_made(view).astype(int)
        states = list(zip(numbers, steps.tolist(), strict=True))
        asked = sorted(set(states) - self._known.keys())
        if asked:
            written = [conversation(TRANSCRIPTS.prompt(number), made) for number, made in asked]
            picks = self._switchyard.picks_capable(self.settings, written)
            self._known |= dict(zip(asked, picks, strict=True))
        call = np.array([self._known[state] for state in states])
        return np.where(allowed[:, 1] & call, 1.0, 0.0)


def ladder(switchyard: Switchyard) -> dict[str, Switcher]:
    """The router at its settings, from few calls to many."""
    return {
        f"{picker} from {threshold:g}, last {window}, moving is {what}": StageSwitcher(
            switchyard, picker, threshold, window, moving
        )
        for moving, what in KINDS.items()
        for picker in PICKERS
        for threshold in THRESHOLDS
        for window in WINDOWS
    }


def conversation(prompt: Prompt, steps: int) -> list[Message]:
    """A state as the messages of an agent with tools.

    Steps that the prompt no longer shows are calls of no kind, so that it is as long as the
    episode.

    Args:
        prompt: the last steps, and the goal.
        steps: steps made before it.
    """
    seen, past = prompt.observations, prompt.past
    hidden = max(0, steps - len(past))
    messages = [_message("user", prompt.goal if hidden else f"{prompt.goal}\n\n{seen[0]}")]
    for k in range(hidden):
        messages += _turn(k, "", seen[0] if k == hidden - 1 else "done", False)
    for k, action in enumerate(past):
        messages += _turn(hidden + k, action, seen[k + 1], _failed(action, seen[k], seen[k + 1]))
    return messages


def _turn(number: int, action: str, result: str, failed: bool) -> list[Message]:
    call = {
        "type": "tool_call",
        "id": f"call_{number}",
        "name": TOOL.format(_verb(action)),
        "arguments": {"action": action},
    }
    answer = {
        "type": "tool_result",
        "tool_call_id": f"call_{number}",
        "content": [{"type": "text", "text": result}],
        "is_error": failed,
    }
    return [{"role": "assistant", "content": [call]}, {"role": "tool", "content": [answer]}]


def _message(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _verb(action: str) -> str:
    return (action.split() or ["step"])[0].lower()


def _failed(action: str, before: str, after: str) -> bool:
    return after.startswith(UNKNOWN) or (before == after and _verb(action) not in STILL)
