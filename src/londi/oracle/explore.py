"""Exploration of the states that two deterministic models can reach in some episodes.

It goes outwards from what either model does alone: first the path of QUICK and the path of
DEEPTHINK, then paths that leave either once, then twice. This file knows in which order states are
explored; not which choice is best in them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig
from londi.models.pair import ModelPair
from londi.oracle.graph import Graph
from londi.oracle.worlds import Asked, Worlds
from londi.scale.workers import News
from londi.types import Reply

Opened = Callable[[Graph, int, Prompt, Reply], None]
"""Told of a new state: its graph, its place, its prompt, and QUICK's reply."""

_SECONDS = 5.0  # between two reports


@dataclass(frozen=True)
class Explorations(News):
    """How far an exploration is: episodes that are done, and states that were found."""

    done: int
    states: int


def explore(
    pair: ModelPair,
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    on_states: Callable[[int, str], None] = lambda done, text: None,
    on_open: Opened = lambda graph, place, prompt, reply: None,
) -> list[Graph]:
    """Explore the states that can be reached in these episodes.

    All episodes are explored at one level before any at the next, and many side by side, so that
    the models answer in batches and a limit cuts all episodes at the same level. Answers of the
    models are committed and environments closed also where something is raised.

    Args:
        pair: the models and their environment.
        episodes: seeds of the episodes.
        states: largest number of states of each episode.
        minutes: time limit for exploring states, in minutes.
        on_states: called now and then with the number of episodes that are done, and a text.
        on_open: called with each state when the models have answered in it.

    Returns:
        One graph an episode.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment does not declare its least
            and greatest return.
    """
    exploring = explorations(pair, episodes, states=states, minutes=minutes, on_open=on_open)
    while True:
        try:
            now = next(exploring)
        except StopIteration as ended:
            graphs: list[Graph] = ended.value
            return graphs
        on_states(now.done, f"{now.states} states")


def explorations(
    pair: ModelPair,
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    on_open: Opened = lambda graph, place, prompt, reply: None,
) -> Generator[Explorations, None, list[Graph]]:
    """As `explore`, in the form of a generator: how far it is now and then, and the graphs."""
    for model in (pair.quick, pair.deepthink):
        if model.fingerprint is None:
            raise InvalidConfig(f"expected deterministic models, got {model.name!r}")
    try:
        with Worlds(pair.make) as worlds:
            return (yield from _explore(pair, worlds, episodes, states, minutes, on_open))
    finally:
        pair.commit()


def _explore(
    pair: ModelPair,
    worlds: Worlds,
    episodes: Sequence[int],
    states: int,
    minutes: float,
    on_open: Opened,
) -> Generator[Explorations, None, list[Graph]]:
    until, told = time.monotonic() + 60 * minutes, time.monotonic()

    def open_all(new: Sequence[tuple[Graph, int, Prompt]]) -> None:
        prompts = [prompt for *_, prompt in new]
        if prompts:
            replies = zip(pair.quick.act(prompts), pair.deepthink.act(prompts), strict=True)
            for (graph, place, prompt), (quick, deepthink) in zip(new, replies, strict=True):
                graph.open(place, (quick.action, deepthink.action))
                on_open(graph, place, prompt, quick)

    begun = worlds.begin(episodes)
    open_all([(graph, 0, prompt) for graph, prompt in begun])
    graphs = [graph for graph, _ in begun]
    for asked in _turns(graphs, worlds.slots, worlds.batch):
        new: list[tuple[Graph, int, Prompt]] = []
        for (_, graph, place, g), reached in zip(asked, worlds.step(asked), strict=True):
            if (at := graph.link(place, g, reached, states)) is not None:
                assert reached and reached.state
                new.append((graph, at, reached.state.prompt))
        open_all(new)
        if time.monotonic() > until:
            break
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            pair.commit()
            yield _progress(graphs)
    yield _progress(graphs)
    return graphs


def _turns(graphs: Sequence[Graph], slots: int, batch: int) -> Iterator[list[Asked]]:
    """The choices to explore, one batch after the other.

    An episode keeps its slot until it is done with a level, so that its world goes on from where it
    is. Where a batch has room for more than one choice of each episode, it gets more.
    """
    while (level := min(graph.level for graph in graphs)) < inf:
        queue = deque(graph for graph in graphs if graph.level == level)
        looking: dict[int, Graph] = {}
        while True:
            looking = {slot: graph for slot, graph in looking.items() if graph.level <= level}
            for slot in range(slots):
                if queue and slot not in looking:
                    looking[slot] = queue.popleft()
            if not looking:
                break
            yield [
                (slot, graph, *graph.pop())
                for slot, graph in looking.items()
                for _ in range(max(1, batch // len(looking)))
                if graph.level <= level
            ]


def _progress(graphs: Sequence[Graph]) -> Explorations:
    done = sum(graph.level == inf for graph in graphs)
    return Explorations(done, sum(len(graph.after) for graph in graphs))
