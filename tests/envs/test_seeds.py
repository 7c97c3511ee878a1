"""No episode is used for two things."""

from __future__ import annotations

from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from londi.envs.seeds import (
    DEMONSTRATIONS,
    HELD_OUT,
    SWITCHING,
    VALIDATION,
    demonstration_seeds,
    held_out_seeds,
    switching_seeds,
    validation_seeds,
)

MOST = 1_000_000
"""Far more episodes than a round or a run plays."""
ROUNDS = 10

MODEL_RUNS = st.tuples(st.integers(0, 48), st.integers(0, ROUNDS - 1))
SWITCHER_RUNS = st.integers(0, 299)
COUNTS = st.integers(1, MOST)


def switching(seed: int, episodes: int) -> range:
    """The first of the endless episodes."""
    first = next(switching_seeds(seed))
    return range(first, first + episodes)


def apart(*ranges: range) -> bool:
    """Whether no two of the ranges share a number."""
    ordered = sorted(ranges, key=lambda r: r.start)
    return all(a.stop <= b.start for a, b in pairwise(ordered))


@given(model=MODEL_RUNS, switcher=SWITCHER_RUNS, counts=st.tuples(*[COUNTS] * 4))
def test_the_four_uses_never_overlap(
    model: tuple[int, int], switcher: int, counts: tuple[int, int, int, int]
) -> None:
    assert apart(
        demonstration_seeds(*model, counts[0]),
        switching(switcher, counts[1]),
        validation_seeds(counts[2]),
        held_out_seeds(counts[3]),
    )


def test_the_outermost_runs_stay_in_their_own_range() -> None:
    demonstrations = demonstration_seeds(48, ROUNDS - 1, MOST)
    assert demonstration_seeds(0, 0, 1).start >= DEMONSTRATIONS
    assert demonstrations.stop <= SWITCHING <= switching(0, 1).start
    assert switching(299, MOST).stop <= VALIDATION <= validation_seeds(1).start
    assert validation_seeds(MOST).stop <= HELD_OUT <= held_out_seeds(1).start


@given(one=MODEL_RUNS, other=MODEL_RUNS)
def test_two_rounds_of_demonstrations_share_no_episode(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    first, second = demonstration_seeds(*one, MOST), demonstration_seeds(*other, MOST)
    assert first == second if one == other else apart(first, second)


@given(one=SWITCHER_RUNS, other=SWITCHER_RUNS)
def test_two_training_seeds_share_no_episode(one: int, other: int) -> None:
    assert one == other or apart(switching(one, MOST), switching(other, MOST))


@given(seed=SWITCHER_RUNS)
def test_a_run_plays_each_of_its_episodes_once(seed: int) -> None:
    played = list(islice(switching_seeds(seed), 100))
    assert played == list(switching(seed, 100))
    assert played == list(islice(switching_seeds(seed), 100))


def test_a_run_of_more_episodes_begins_anew_and_leaves_its_range_to_others() -> None:
    played = islice(switching_seeds(299), MOST - 1, MOST + 2)
    assert list(played) == [VALIDATION - 1, *switching(299, 2)]


@given(fewer=COUNTS, more=COUNTS)
def test_fewer_episodes_are_the_first_of_more(fewer: int, more: int) -> None:
    fewer, more = sorted((fewer, more))
    for seeds in (held_out_seeds, validation_seeds, lambda n: demonstration_seeds(3, 2, n)):
        assert len(seeds(fewer)) == fewer
        assert seeds(more)[:fewer] == seeds(fewer)
