"""Graphs of training episodes as arrays, with what a Switcher sees in each state.

Both models answer in every state that is explored, so that an episode is known for all choices
that a Switcher could make. This file knows graphs and files, and nothing of how a Switcher learns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Self

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.models.pair import ModelPair
from londi.oracle.explore import explore
from londi.oracle.graph import BEGAN, Graph
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.types import Array, Reply, StateDict

TOGETHER = 128
"""Episodes that are explored side by side, and stored together."""


@dataclass(frozen=True, slots=True)
class EpisodeGraph:
    """The explored graph of one episode, in n states; state 0 is the first.

    Attributes:
        after: int64 `[n, 2]`, the states that QUICK's and DEEPTHINK's action lead to, or one of
            `ENDED`, `UNKNOWN` and `CUT` of `londi.oracle.graph`.
        gain: `[n, 2]`, the gains of those actions, as shares of `worth`.
        worth: `[H + 1]`, the reward for a gain of 1 after that many steps; H is the horizon.
        features: float32 `[n, F]`, the encoder's numbers.
        steps: `[n]`, steps before the state, on the path on which it was found.
        repeats: `[n]`, how often the same was observed before on that path.
    """

    after: Array
    gain: Array
    worth: Array
    features: Array
    steps: Array
    repeats: Array

    @classmethod
    def of(cls, graph: Graph, seen: Sequence[tuple[Array, str]]) -> Self:
        """The arrays of an explored graph.

        Args:
            graph: the graph.
            seen: for each state, the encoder's numbers `[F]` and the text observed.
        """
        steps, repeats = np.zeros((2, len(seen)), np.int64)
        for place, came in enumerate(graph.came):
            if came != BEGAN:  # found before the state itself
                steps[place] = steps[came] + 1
            while came != BEGAN:
                repeats[place] += seen[came][1] == seen[place][1]
                came = graph.came[came]
        worth = graph.worth
        if worth is None:  # a state has one time, and a reward its own worth
            worth = np.ones(int(steps.max()) + 2)
        return cls(
            after=np.array(graph.after, np.int64),
            gain=np.array(graph.gain),
            worth=worth,
            features=np.stack([features for features, _ in seen]),
            steps=steps,
            repeats=repeats,
        )

    def state(self) -> StateDict:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def explored_graphs(
    pair: ModelPair,
    encoder: Encoder,
    episodes: Sequence[int],
    folder: Path,
    *,
    states: int,
    on_states: Callable[[int, str], None] = lambda done, text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[EpisodeGraph] | None:
    """The graphs of these episodes; those that are in `folder` already are not explored again.

    Args:
        pair: the models and their environment.
        encoder: of what a Switcher sees.
        episodes: their seeds.
        folder: where they are stored.
        states: largest number of states of each episode.
        on_states: called now and then with the number of episodes that are done, and a text.
        should_stop: asked between two groups of episodes.

    Returns:
        One graph an episode; None if it was stopped before the last.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment does not declare its least
            and greatest return.
    """
    found: list[EpisodeGraph] = []
    folder.mkdir(parents=True, exist_ok=True)
    for begin in range(0, len(episodes), TOGETHER):
        if should_stop():
            return None
        group, file = episodes[begin : begin + TOGETHER], folder / str(begin // TOGETHER)
        if not has_state(file):

            def told(done: int, text: str, begin: int = begin) -> None:
                on_states(begin + done, text)

            explored = _explored(pair, encoder, group, states, told)
            save_state(file, {"graphs": [graph.state() for graph in explored]})
        stored = load_state(file, {"graphs": list})["graphs"]
        found += [EpisodeGraph(**arrays) for arrays in stored]
    return found


def _explored(
    pair: ModelPair,
    encoder: Encoder,
    episodes: Sequence[int],
    states: int,
    on_states: Callable[[int, str], None],
) -> list[EpisodeGraph]:
    seen: dict[int, list[tuple[Array, str]]] = {episode: [] for episode in episodes}

    def opened(graph: Graph, place: int, prompt: Prompt, quick: Reply) -> None:
        assert place == len(seen[graph.seed])
        (features,) = encoder.checked_encode([prompt], [quick] if encoder.reads_quick else [])
        seen[graph.seed].append((features, prompt.observations[-1]))

    graphs = explore(
        pair, episodes, states=states, minutes=inf, on_states=on_states, on_open=opened
    )
    return [EpisodeGraph.of(graph, seen[graph.seed]) for graph in graphs]
