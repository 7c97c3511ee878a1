"""Options of environments: a wrong kind of value is refused, and not taken for another."""

from __future__ import annotations

import re

import pytest

from londi.envs.options import check_counts
from londi.envs.registry import make_env
from londi.errors import InvalidConfig


@pytest.mark.parametrize(
    ("env", "options", "said"),
    [
        ("londi/BabyAIText-GoToLocal-v0", {"expert": "no"}, "expert: expected True or False"),
        ("londi/ScienceWorld-short-v0", {"expert": "no"}, "expert: expected True or False"),
        ("londi/ScienceWorld-short-v0", {"list_actions": 1}, "list_actions: expected True or"),
        ("londi/ScienceWorld-short-v0", {"limit": 0}, "limit: expected a whole number >= 1, got 0"),
        ("londi/TextWorld-cooking-easy-v0", {"list_all": "no"}, "list_all: expected True or False"),
        ("londi/TextWorld-cooking-easy-v0", {"games": True}, "games: expected a whole number >= 1"),
    ],
)
def test_a_wrong_value_is_refused(env: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidConfig, match=re.escape(said)):
        make_env(env, **options)


def test_a_count_has_bounds() -> None:
    check_counts(3, one=1, three=3)
    for value in (0, 4, 1.0, True, "2"):
        with pytest.raises(InvalidConfig, match="most: expected a whole number from 1 to 3, got"):
            check_counts(3, most=value)
