"""The expert of a conversation: the solution's next call, for as long as it has been followed.

This file knows the solution and what was done. It does not execute anything.
"""

from __future__ import annotations

from londi.envs.toolcalls.calls import Call, read_call
from londi.envs.toolcalls.tasks import Task
from londi.envs.toolcalls.tools import Toolbox

DONE = "Done."
"""The expert's message at the end of a turn."""


class Expert:
    """Follows the solution of a task.

    A call that changes nothing, such as one that failed, is no departure. After any other one that
    is not the solution's, there is no advice until a turn ends with the tools as the solution has
    them.

    Args:
        task: the task.
        tools: the tools that are used; they are only looked at.
    """

    def __init__(self, task: Task, tools: Toolbox) -> None:
        self._solution, self._tools = task.solution, tools
        self._turn = self._done = 0
        self._followed = True
        self._state = tools.state()

    @property
    def advice(self) -> str | None:
        """The next call, or a message where the turn is done; None after a departure."""
        if not self._followed:
            return None
        calls = self._solution[self._turn]
        return calls[self._done] if self._done < len(calls) else DONE

    def called(self, call: Call) -> None:
        """Take note of a call that was executed."""
        state = self._tools.state()
        if self._followed and self._is_next(call):
            self._done += 1
        elif state != self._state:
            self._followed = False
        self._state = state

    def turned(self, reference: Toolbox) -> None:
        """Take note of the end of a turn.

        Args:
            reference: tools in which the solution was executed up to here.
        """
        self._followed = self._state == reference.state()
        self._turn, self._done = self._turn + 1, 0

    def _is_next(self, call: Call) -> bool:
        calls = self._solution[self._turn]
        if self._done == len(calls):
            return False
        wanted = read_call(calls[self._done], self._tools.names)
        assert wanted is not None
        try:
            return self._tools.arguments(call) == self._tools.arguments(wanted)
        except (NameError, TypeError):  # no such function, or none with these arguments
            return False
