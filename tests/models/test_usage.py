"""Tokens in the JSON of an answer, and JSON of any other shape."""

from __future__ import annotations

from typing import Any

import pytest

from londi.models.usage import Body, count, member, openai_usage
from londi.types import Usage


def usage(used: Body) -> Usage:
    return openai_usage(used, "prompt_tokens", "completion_tokens", "prompt_tokens_details")


def test_all_kinds_of_tokens_are_read() -> None:
    details = {"cached_tokens": 600, "cache_write_tokens": 300}
    told = {"prompt_tokens": 1000, "completion_tokens": 50, "prompt_tokens_details": details}
    assert usage(told) == Usage(
        calls=1, tokens=1000, output_tokens=50, cached_tokens=600, cache_write_tokens=300
    )


def test_parts_of_a_prompt_are_no_more_than_the_prompt() -> None:
    details = {"cached_tokens": 900, "cache_write_tokens": 900}
    told = {"prompt_tokens": 1000, "prompt_tokens_details": details}
    assert (usage(told).cached_tokens, usage(told).cache_write_tokens) == (900, 100)


@pytest.mark.parametrize("wrong", [None, "12", -3, 1.5, True, [], {}])
def test_what_is_no_number_of_tokens_counts_as_nothing(wrong: Any) -> None:
    assert count({"prompt_tokens": wrong}, "prompt_tokens") == 0
    assert usage({"prompt_tokens": wrong, "prompt_tokens_details": wrong}) == Usage(calls=1)
    assert member({"usage": wrong}, "usage") == {}
