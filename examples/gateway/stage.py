"""The gateway with Switchyard's stage router in the place of the Switcher.

    python stage.py --config stage.yaml --switchyard PYTHON --traces traces.db --rate 0.3

`PYTHON` is an interpreter that has `nemo-switchyard`. Of the router's settings it takes the one
whose calls in the states of the traces are nearest to the rate.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from turns import read_turn

from londi.baselines.stage_router import TRANSCRIPTS, ladder
from londi.baselines.switchyard_process import Switchyard, find_switchyard
from londi.config.serve import GatewayConfig
from londi.config.settings import read_config
from londi.encoders.base import Encoder
from londi.envs.conversation import ConversationPrompt
from londi.envs.prompt import Prompt
from londi.serve.apis import CHAT
from londi.serve.core.policy import Policy
from londi.serve.router import Router
from londi.serve.server import serve
from londi.storage.traces import read_traces
from londi.switching.observation import ObservationLayout
from londi.switching.switcher import Switcher
from londi.types import Reply

STATES = 1_000
"""States of the traces in which settings are tried, at most."""


class TurnEncoder(Encoder):
    """Numbers of the agent's conversations, as the stage router reads them."""

    size = TRANSCRIPTS.size
    spec = TRANSCRIPTS.spec

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return TRANSCRIPTS.encode([as_played(prompt) for prompt in prompts], replies)


def as_played(prompt: Prompt) -> Prompt:
    """The goal, the actions and what was observed after each, without what was told beside it."""
    seen = tuple(read_turn(text)[0] for text in prompt.observations)
    return Prompt(prompt.goal, (), seen, prompt.past)


def states(traces: Path) -> Iterator[tuple[Prompt, int]]:
    """The state before each step of the traces, and the number of steps before it."""
    said: dict[str, list[Any]] = {}
    for row in read_traces(traces, "steps"):
        messages = said.setdefault(row["session"], [])
        messages += json.loads(row["messages"])
        yield ConversationPrompt.of(CHAT.read({"messages": messages})), row["step"]


def nearest(
    settings: Mapping[str, Switcher], seen: Sequence[tuple[Prompt, int]], rate: float
) -> tuple[str, float]:
    """The setting whose share of calls in these states is nearest to a rate, and that share."""
    layout = ObservationLayout(TRANSCRIPTS.size)
    rows = np.zeros((len(seen), layout.size), np.float32)
    rows[:, :1] = TurnEncoder().encode([prompt for prompt, _ in seen], [])
    layout.view(rows).steps[:] = np.log1p([steps for _, steps in seen])
    both = np.ones((len(seen), 2), bool)
    shares = {
        name: float(who.call_probability(rows, both).mean()) for name, who in settings.items()
    }
    best = min(shares, key=lambda name: abs(shares[name] - rate))
    return best, shares[best]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="settings of the gateway")
    parser.add_argument("--switchyard", required=True, help="Python that has nemo-switchyard")
    parser.add_argument("--traces", type=Path, required=True, help="with the texts of messages")
    parser.add_argument("--rate", type=float, required=True, help="share of calls to come near to")
    given = parser.parse_args()
    config = read_config(given.config, GatewayConfig)
    settings = ladder(Switchyard(find_switchyard(given.switchyard)))
    seen = list(states(given.traces))
    seen = seen[:: max(1, len(seen) // STATES)]
    name, share = nearest(settings, seen, given.rate)
    told = f"{name}: calls in {share:.3f} of the states of {given.traces.name}"
    print(told, file=sys.stderr, flush=True)
    serve(config, Router.of(config, Policy(settings[name], TurnEncoder(), f"stage: {name}")))


if __name__ == "__main__":
    main()
