"""What the settings of several verbs have in common: ranges, names and models."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from londi.config import INF, PairConfig, TrainConfig, check
from londi.config.base import builtin_pair, check_budget, check_name
from londi.errors import InvalidConfig, LondiError, UnknownName


@dataclass
class Numbers:
    whole: int = 3
    share: float = 0.5


@pytest.mark.parametrize(
    ("values", "bounds", "said"),
    [
        ({"whole": 0}, (1, 9), "whole: expected a whole number from 1 to 9, got 0"),
        ({"whole": 10}, (1, 9), "whole: expected a whole number from 1 to 9, got 10"),
        # A bound that only keeps out slips is told to whom it concerns.
        ({"whole": 0}, (1, 50_000), "whole: expected a whole number >= 1, got 0"),
        ({"whole": 60_000}, (1, 50_000), "whole: expected a whole number from 1 to 50,000, got"),
        ({"whole": -1}, (0, INF), "whole: expected a whole number >= 0, got -1"),
    ],
)
def test_a_number_out_of_its_range_is_named(
    values: dict[str, int], bounds: tuple[float, float], said: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check(Numbers(**values), whole=bounds)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf"), -float("inf")])
def test_no_number_beyond_a_closed_range_is_let_through(share: float) -> None:
    with pytest.raises(InvalidConfig, match=r"share: expected a number from 0 to 1, got"):
        check(Numbers(share=share), share=(0, 1))
    with pytest.raises(InvalidConfig, match="share"):
        check(Numbers(share=float("inf")), share=(0, INF))


def test_the_ends_of_a_range_belong_to_it() -> None:
    for share in (0.0, 1.0):
        check(Numbers(share=share), share=(0, 1), whole=(3, 3))


@pytest.mark.parametrize("budget", [-1, 1.0, "many", None, True, ""])
def test_a_budget_is_a_whole_number_or_none(budget: object) -> None:
    with pytest.raises(InvalidConfig, match="budget: expected a whole number >= 0 or none, got"):
        check_budget(budget)
    for good in (0, 7, "none"):
        check_budget(good)


def test_a_name_is_a_known_one_or_in_a_module() -> None:
    for good in ("sac", "mine:Algorithm", "a.b_c:Mine"):
        check_name("algorithm", good, ("sac", "universal"))
    for wrong in ("sca", "mine:", ":Mine", "a b:Mine", "mine:My thing", "1a:Mine"):
        with pytest.raises(UnknownName, match="unknown algorithm"):
            check_name("algorithm", wrong, ("sac", "universal"))


def test_a_pair_is_that_of_the_family() -> None:
    assert builtin_pair("londi/BabyAIText-BossLevel-v0") == builtin_pair(PairConfig().env)
    assert builtin_pair("londi/ScienceWorld-v0") != builtin_pair(PairConfig().env)
    assert builtin_pair("BabyAIText-BossLevel-v0") is builtin_pair("mine:Maze-v0") is None
    assert builtin_pair("londi/TextWorld-cooking-hard-v0") is None  # the pair knows one room


@pytest.mark.parametrize(
    ("env", "pair"),
    [
        ("londi/BabyAIText-GoToLocal-v0", ("builtin:babyai-quick", "builtin:babyai-deepthink")),
        (
            "londi/ScienceWorld-find-plant-v0",
            ("builtin:scienceworld-quick", "builtin:scienceworld-deepthink"),
        ),
        (
            "londi/TextWorld-cooking-easy-v0",
            ("builtin:textworld-quick", "builtin:textworld-deepthink"),
        ),
    ],
)
def test_the_builtin_models_are_those_of_the_environment(env: str, pair: tuple[str, str]) -> None:
    config = TrainConfig(env=env)
    assert (config.quick, config.deepthink) == pair
    config.check_models()
    named = TrainConfig(env=env, quick="random")
    assert (named.quick, named.deepthink) == ("random", pair[1])
    assert TrainConfig(env=env, deepthink="mine").quick == pair[0]


def test_an_environment_without_builtin_models_asks_for_names() -> None:
    config = TrainConfig(env="mine:Maze-v0")
    with pytest.raises(LondiError, match=r"quick: no built-in models play 'mine:Maze-v0'; .*--dee"):
        config.check_models()
    with pytest.raises(LondiError, match="deepthink: no built-in models"):
        TrainConfig(env="mine:Maze-v0", quick="random").check_models()
    TrainConfig(env="mine:Maze-v0", quick="random", deepthink="expert").check_models()
