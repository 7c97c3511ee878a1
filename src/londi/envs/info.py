"""Types of the dictionaries that Gymnasium leaves open: their values can be anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from londi.types import Info

Info = Info
"""The `info` of a reset or a step; `londi.envs.contract` says what is in it."""
InfoView = Mapping[str, Any]
"""An `info` that is only read."""
Options = Mapping[str, Any]
"""Options of an environment, by name."""
Told = tuple[str, float, bool, bool, Info]
"""The results of a step: observation, reward, terminated, truncated, info."""
