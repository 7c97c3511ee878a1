"""Copies of demonstrations with other words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.config import FinetuneConfig
from londi.errors import InvalidConfig
from londi.imitation.demonstrations import Demonstration
from londi.imitation.exchange import Exchange, with_copies

CUTS = ("slice/sliced", "dice/diced")
FOODS = ("apple", "red apple", "egg")
EPISODE = Demonstration(
    goal="Dice the red apple, not the apple.",
    actions=("dice red apple with knife", "eat egg"),
    observations=("You see an apple.", "You dice the red apple: a diced red apple."),
    taken=("dice red apple with knife", "eat egg"),
    labels=("dice red apple with knife", "eat egg"),
    success=True,
    history="textworld",
    states=({"look": "an egg", "actions": ("eat egg",), "score": 3}, {"look": "", "won": None}),
)


class Drawn:
    """A generator that draws these orders."""

    def __init__(self, *orders: list[int]) -> None:
        self._orders = list(orders)

    def permutation(self, size: int) -> list[int]:
        order = self._orders.pop(0)
        assert len(order) == size
        return order


def test_words_are_exchanged_in_all_texts_with_their_forms_and_articles() -> None:
    drawn: Any = Drawn([1, 0], [2, 0, 1])  # apple -> egg, red apple -> apple, egg -> red apple
    made = Exchange((CUTS, FOODS), drawn).episode(EPISODE)
    assert made == Demonstration(
        goal="Dice the apple, not the egg.",  # as it is written, and not in capitals
        actions=("slice apple with knife", "eat red apple"),
        observations=("You see an egg.", "You slice the apple: a sliced apple."),
        taken=("slice apple with knife", "eat red apple"),
        labels=("slice apple with knife", "eat red apple"),
        success=True,
        history="textworld",
        states=(
            {"look": "a red apple", "actions": ("eat red apple",), "score": 3},
            {"look": "", "won": None},
        ),
    )


def test_words_may_change_places_with_one_another() -> None:
    turned = ("north/east/south/west", "east/south/west/north")
    drawn: Any = Drawn([1, 0])
    text = "go north; a door leads east, and west"
    assert Exchange((turned,), drawn).text(text) == "go east; a door leads south, and north"


def test_parts_of_words_are_left_alone() -> None:
    drawn: Any = Drawn([1, 0])
    text = "an eggplant, pre-sliced, slices; a sliced egg"
    assert Exchange((CUTS,), drawn).text(text) == text.replace("a sliced egg", "a diced egg")


@given(st.integers(0, 2**32), st.lists(st.sampled_from([*FOODS, "slice", "diced", "stone"])))
def test_the_way_back_gives_the_text_again(seed: int, words: list[str]) -> None:
    there = Exchange((CUTS, FOODS), np.random.default_rng(seed))
    back = Exchange((CUTS, FOODS), np.random.default_rng(seed))
    back._other = {other: word for word, other in there._other.items()}
    text = ", ".join(words)
    assert back.text(there.text(text)) == text


def test_each_copy_has_an_exchange_of_its_own() -> None:
    every = with_copies([EPISODE, EPISODE], (CUTS, FOODS), 15, np.random.default_rng(0))
    first, *others = every
    made = [copy for some in others for copy in some]
    assert list(first) == [EPISODE, EPISODE] and len(made) == 30
    assert len({copy.goal for copy in made}) == 6  # for "dice", capital in the goal, stays
    assert all(label in copy.actions for copy in made for label in copy.labels)


@pytest.mark.parametrize(
    ("exchanges", "said"),
    [
        ((("slice/sliced", "dice"),), r"equally many forms, got \['slice/sliced', 'dice'\]"),
        (((),), r"equally many forms, got \[\]"),
        ((("egg", "apple"), ("apple", "milk")), "each word once, got 'apple'"),
        ((("north/south", "south/north"), ("north", "up")), "each word once, got 'north'"),
        ((("north/south", "south/east"),), "each word once, got 'south'"),
        ((("egg/", "apple/apples"),), "each word once, got ''"),
        ((), "copies: expected exchanges beside it, got none"),
    ],
)
def test_words_that_cannot_stand_for_one_another_are_refused(
    exchanges: tuple[tuple[str, ...], ...], said: str
) -> None:
    with pytest.raises(InvalidConfig, match=said):
        FinetuneConfig(exchanges=exchanges, copies=2)
