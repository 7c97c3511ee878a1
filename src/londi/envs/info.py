"""Types of the dictionaries that Gymnasium leaves open: their values can be anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from londi.types import Info

InfoView = Mapping[str, Any]
"""An `info` that is only read."""
Options = Mapping[str, Any]
"""Options of an environment, by name."""
Told = tuple[str, float, bool, bool, Info]
"""The results of a step: observation, reward, terminated, truncated, info."""
