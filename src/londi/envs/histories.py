"""Registry of histories, which gather the states of an episode into prompts.

An environment names its history in `metadata["history"]`. This file knows no environment.
"""

from __future__ import annotations

from londi.envs.generate.prompt import WritingHistory
from londi.envs.prompt import History
from londi.envs.scienceworld.prompt import ScienceHistory
from londi.envs.textworld.prompt import TextWorldHistory
from londi.envs.toolcalls.prompt import ToolHistory

HISTORIES: dict[str, type[History]] = {
    "plain": History,
    "scienceworld": ScienceHistory,
    "textworld": TextWorldHistory,
    "writing": WritingHistory,
    "toolcalls": ToolHistory,
}
"""Histories by name."""
