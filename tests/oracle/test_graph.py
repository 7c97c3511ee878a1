"""The states of an episode as a graph, worked through by hand."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from londi.envs.prompt import Prompt
from londi.oracle.graph import CUT, ENDED, UNKNOWN, Deviations, Graph, State, Successor

START = Deviations(0, 0, 0)
HERE = Prompt("go", ("a", "b"), ("here",))
MANY = 100


def state(name: str) -> State:
    return State(name.encode(), f"data of {name}", HERE)


def begun(actions: tuple[str, str] = ("a", "b"), horizon: int | None = None) -> Graph:
    """A graph with a first state, in which the models do `actions`."""
    graph = Graph(7, (0.0, 1.0), None if horizon is None else np.ones(horizon + 1))
    graph.add(state("start"), 0.0, START)
    graph.open(0, actions)
    return graph


def reach(graph: Graph, place: int, g: int, name: str, gain: float = 0.0) -> int | None:
    return graph.link(place, g, Successor(gain, state(name)), MANY)


def follow(graph: Graph, place: int, g: int, name: str, actions: tuple[str, str]) -> int:
    """The place of a new state, opened."""
    new = reach(graph, place, g, name)
    assert new is not None
    graph.open(new, actions)
    return new


def test_deviations_count_where_the_models_disagree() -> None:
    way = START.then(1, agreed=False).then(0, agreed=False).then(1, agreed=True)
    assert way == Deviations(calls=1, declined=1, steps=3)
    assert way.then(1, agreed=False) == Deviations(2, 1, 4)
    assert [w.level for w in (START, Deviations(3, 0, 3), Deviations(2, 5, 9))] == [0, 0, 2]
    assert Deviations(1, 4, 6).least(Deviations(3, 2, 5)) == Deviations(1, 2, 5)


def test_both_choices_of_a_state_are_put_up_and_taken_once() -> None:
    graph = begun()
    assert graph.level == 0
    assert {graph.pop(), graph.pop()} == {(0, 0), (0, 1)}
    assert graph.level == inf
    assert [graph.action(0, g) for g in (0, 1)] == ["a", "b"]


def test_where_the_models_agree_one_step_is_that_of_both() -> None:
    graph = begun(("a", "a"))
    assert graph.pop() == (0, 0) and graph.level == inf
    assert reach(graph, 0, 0, "next", 0.5) == 1
    assert graph.after[0] == [1, 1] and graph.gain[0] == [0.5, 0.5]
    assert graph.ways[1] == Deviations(0, 0, 1)


def test_what_one_model_does_alone_comes_first() -> None:
    """Level 0 is the way of either model; whoever leaves both is at level 1."""
    graph = begun()
    for g in (0, 1):
        follow(graph, 0, g, f"{g}", ("a", "b"))
    first = {graph.pop(), graph.pop()}
    assert first == {(1, 0), (2, 1)}, "QUICK after QUICK, and DEEPTHINK after DEEPTHINK"
    assert graph.level == 1
    assert {graph.pop(), graph.pop()} == {(1, 1), (2, 0)}


def test_of_one_level_the_newest_comes_first() -> None:
    graph = begun()
    graph.pop()
    quick = follow(graph, 0, 0, "quick", ("a", "b"))
    assert graph.pop() == (quick, 0)


def test_a_state_is_known_by_its_key() -> None:
    graph = begun()
    quick = follow(graph, 0, 0, "quick", ("a", "b"))
    assert reach(graph, 0, 1, "quick") is None
    assert graph.after[0] == [quick, quick]
    assert reach(graph, quick, 0, "start") is None, "it goes round"
    assert graph.after[quick] == [0, UNKNOWN]
    assert len(graph.after) == 2


def test_what_was_earned_is_that_of_the_way_to_a_state() -> None:
    graph = begun()
    first = reach(graph, 0, 0, "first", 0.25)
    assert first == 1
    graph.open(first, ("a", "b"))
    assert reach(graph, first, 1, "second", 0.5) == 2
    assert graph.earned == [0.0, 0.25, 0.75]


def test_an_episode_ends_and_what_is_lost_stays_unknown() -> None:
    graph = begun()
    assert graph.link(0, 0, Successor(1.0, None), MANY) is None
    assert graph.link(0, 1, None, MANY) is None
    assert (graph.after[0], graph.gain[0]) == ([ENDED, CUT], [1.0, 0.0])
    assert not graph.complete
    assert graph.level == inf, "nothing is left to try"


def test_beyond_its_room_a_graph_takes_no_state() -> None:
    graph = begun()
    assert graph.link(0, 0, Successor(0.0, state("quick")), 2) == 1
    assert graph.link(0, 1, Successor(0.5, state("deepthink")), 2) is None
    assert graph.after[0] == [1, CUT] and graph.gain[0] == [0.0, 0.5]
    assert len(graph.after) == 2 and not graph.complete
    # A state that is known already takes no room.
    graph.open(1, ("a", "b"))
    assert graph.link(1, 0, Successor(0.0, state("start")), 2) is None
    assert graph.after[1][0] == 0


def test_what_restores_a_state_is_kept_until_both_choices_are_known() -> None:
    graph = begun()
    assert graph.kept == ["data of start"]
    reach(graph, 0, 0, "quick")
    assert graph.kept == ["data of start", "data of quick"]
    reach(graph, 0, 1, "deepthink")
    assert graph.kept == [None, "data of quick", "data of deepthink"]


def test_a_graph_is_complete_once_every_choice_has_been_explored() -> None:
    graph = begun()
    assert not graph.complete
    quick = follow(graph, 0, 0, "quick", ("a", "a"))
    graph.link(0, 1, Successor(0.0, None), MANY)
    assert not graph.complete
    graph.link(quick, 0, Successor(0.0, None), MANY)
    assert graph.complete


def test_a_shorter_way_to_a_state_counts_for_those_behind_it() -> None:
    """Of two ways to one state the second is found later, and is of calls alone."""
    graph = begun()
    left = follow(graph, 0, 0, "left", ("a", "b"))
    join = follow(graph, left, 1, "join", ("a", "b"))
    end = follow(graph, join, 1, "end", ("a", "b"))
    assert [graph.ways[k] for k in (join, end)] == [Deviations(1, 1, 2), Deviations(2, 1, 3)]
    right = follow(graph, 0, 1, "right", ("a", "b"))
    assert reach(graph, right, 1, "join") is None
    assert graph.ways[join] == Deviations(1, 0, 2), "the least of both ways, each number by itself"
    assert graph.ways[end] == Deviations(2, 0, 3)
    assert graph.level == 0
    assert graph.pop() == (end, 1), "it is now on DEEPTHINK's own way"


def test_a_loop_shortens_nothing_for_ever() -> None:
    graph = begun(("a", "a"))
    there = follow(graph, 0, 0, "there", ("a", "b"))
    assert reach(graph, there, 0, "start") is None
    assert reach(graph, there, 1, "there") is None
    assert graph.ways == [START, Deviations(0, 0, 1)]
    assert graph.complete


@pytest.mark.parametrize(("horizon", "waiting"), [(1, False), (2, True)])
def test_nothing_is_explored_at_the_step_limit(horizon: int, waiting: bool) -> None:
    graph = begun(("a", "a"), horizon)
    graph.pop()
    follow(graph, 0, 0, "next", ("a", "b"))
    assert (graph.level < inf) == waiting
    assert graph.complete != waiting


def test_a_choice_explored_from_elsewhere_is_not_explored_again() -> None:
    """A shorter way puts the choices of a state up once more; whichever is taken first counts."""
    graph = begun()
    left = follow(graph, 0, 0, "left", ("a", "b"))
    join = follow(graph, left, 1, "join", ("a", "a"))
    right = follow(graph, 0, 1, "right", ("a", "b"))
    reach(graph, right, 1, "join")
    graph.link(join, 0, Successor(0.0, None), MANY)
    left_over = set()
    while graph.level < inf:
        left_over.add(graph.pop())
    assert left_over == {(left, 0), (right, 0)}
