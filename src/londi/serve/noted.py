"""Arms that are written down in the traces once sessions are drawn from them.

This file knows arms and traces. It does not know why arms change.
"""

from __future__ import annotations

from londi.serve.core.arms import Arm, Arms
from londi.storage.rollout_log import RolloutLog


class NotedArms:
    """Arms, and the log in which they are noted before the first session.

    Args:
        arms: the arms.
        log: where they are noted.
    """

    off = ""

    def __init__(self, arms: Arms, log: RolloutLog) -> None:
        self._arms, self._log, self._noted = arms, log, False
        self.slow = arms.slow

    def arm(self, session: str) -> Arm:
        """The arm of a session."""
        if not self._noted:  # twice where two threads come at once, which does no harm
            self.note()
        return self._arms.arm(session)

    def note(self, off: str | None = None, said: str | None = None) -> None:
        """Note that sessions are drawn among these arms from now on.

        Args:
            off: version of the Switcher that was turned off for it.
            said: why.
        """
        self._noted = True
        self._log.begin(self._arms.row(), off, said)
