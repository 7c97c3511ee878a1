"""Settings of a rollout: which sessions a Switcher decides, and what turns it off by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from londi.config.base import MOST_SEED, Settings, check
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class GuardConfig(Settings):
    """Turns the Switcher off by itself where it costs more reward than it may."""

    most_drop: float | None = None
    """Most that the mean reward of treated sessions may lie below that of the control group. Once a
    confidence sequence says that it lies further below, the Switcher is off, and DEEPTHINK answers;
    by default there is no guard."""
    confidence: float = 0.95
    """Probability that a Switcher which keeps to `most_drop` is never turned off."""
    since: str = ""
    """Time from which feedback counts, such as 2026-07-01T12:00:00Z. A Switcher that was turned off
    before this time is on again; so is a new version of it by itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most_drop is not None:
            check(self, most_drop=(0, 1e9))
        check(self, confidence=(0.5, 0.9999))
        _ = self.begins

    @property
    def begins(self) -> float:
        """`since` in seconds since 1970; 0 where it is empty.

        Raises:
            InvalidConfig: if it is no time.
        """
        if not self.since:
            return 0.0
        try:
            read = datetime.fromisoformat(self.since)
        except ValueError:
            raise InvalidConfig(
                f"since: expected a time such as 2026-07-01T12:00:00Z, got {self.since!r}"
            ) from None
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class RolloutConfig(Settings):
    """Which sessions the Switcher decides; a session stays where it was drawn."""

    mode: Literal["live", "shadow"] = "live"
    """`shadow` sends every step to DEEPTHINK, and writes down what the Switcher would have
    chosen."""
    control: float = 0.0
    """Share of the sessions that stay on always-DEEPTHINK, against which the saving is measured."""
    previous: str = ""
    """The Switcher that decides all other sessions while `share` of them try the new one."""
    share: float | None = None
    """Share of all sessions that `switcher` decides beside `previous`; by default, and without
    `previous`, all but the control group."""
    seed: int = 0
    """Seed of the draw of sessions, which depends on it and the session's name alone; so it is the
    same in every process, and after a restart."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """Turn the Switcher off where it costs reward: `{most_drop, confidence, since}`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, control=(0, 1), seed=(0, MOST_SEED))
        if (self.share is None) == bool(self.previous):
            wanted, given = ("share", "previous") if self.previous else ("previous", "share")
            raise InvalidConfig(f"{wanted}: expected one as well, since there is {given}")
        if self.share is not None:
            check(self, share=(0, 1))
            if self.share + self.control > 1:
                raise InvalidConfig(
                    f"share: expected at most {1 - self.control:g}, what the control group"
                    f" leaves, got {self.share:g}"
                )
        if self.guard.most_drop is not None and not self.control:
            raise InvalidConfig("control: expected a share above 0 as well, for the guard")

    @property
    def any(self) -> bool:
        """Whether sessions differ in who decides them, or the Switcher does not act."""
        return self.control > 0 or bool(self.previous) or self.mode == "shadow"

    @property
    def treated(self) -> float:
        """Share of the sessions that the Switcher decides."""
        return 1 - self.control if self.share is None else self.share
