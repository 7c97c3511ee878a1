"""States that the tests of all encoders share."""

from __future__ import annotations

import pytest

from londi.envs.prompt import Prompt
from londi.imitation.demonstrations import Demonstration


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States whose texts differ in length."""
    return [prompt for episode in demonstrations for prompt, _ in episode.examples(3)][:6]
