"""The mixes of missions: which things they name, and in which words."""

from __future__ import annotations

import logging
import re
from functools import cache

import pytest

from envs.babyai.playing import TEST, TRAIN
from londi.envs.babyai.levels import HELD_OUT
from londi.envs.registry import make_env


def named(goal: str) -> list[str]:
    return re.findall(r"(?:red|green|blue|purple|yellow|grey) (?:ball|box|key|door)", goal)


@cache
def goals_of(name: str) -> list[str]:
    env = make_env(name)
    return [env.reset(seed=seed)[1]["goal"] for seed in range(200)]


def test_the_two_mixes_share_no_named_thing() -> None:
    seen: set[str] = set()
    for known, held in zip(map(named, goals_of(TRAIN)), map(named, goals_of(TEST)), strict=True):
        assert not set(known) & set(HELD_OUT)
        assert held and set(held) <= set(HELD_OUT)
        seen |= set(held)
    assert seen == set(HELD_OUT)


@pytest.mark.parametrize("name", [TRAIN, TEST])
def test_a_mix_has_every_kind_of_mission(name: str) -> None:
    goals = goals_of(name)
    forms = {
        "go to": r"go to (?:a|the) \w+ \w+",
        "pick up": r"pick up (?:a|the) \w+ \w+",
        "open": r"open (?:a|the)(?: \w+)? door",
        "put": r"put (?:a|the) \w+ \w+ next to (?:a|the) \w+ \w+",
        "then": r"pick up (?:a|the) \w+ \w+, then go to (?:a|the) \w+ \w+",
        "after": r"go to (?:a|the) \w+ \w+ after you pick up (?:a|the) \w+ \w+",
    }
    counts = {form: sum(bool(re.fullmatch(p, g)) for g in goals) for form, p in forms.items()}
    assert sum(counts.values()) == len(goals), goals
    assert min(counts.values()) > 0, counts
    # Each of the five kinds is as likely, however often its levels are rejected: 40 of 200,
    # give or take four standard deviations.
    kinds = [*(counts[k] for k in ("go to", "pick up", "open", "put")), 0]
    kinds[-1] = counts["then"] + counts["after"]
    assert all(abs(count - 40) <= 4 * 5.7 for count in kinds), counts


@pytest.mark.parametrize(
    ("mix", "form"),
    [
        ("PickUpThenGoToLocal", "pick up .*, then go to"),
        ("GoToAfterPickUpLocal", "go to .* after you pick up"),
        ("PickUpSeqGoToLocal", "pick up .*, then go to|go to .* after you pick up"),
    ],
)
def test_the_sequence_levels_keep_their_wording(mix: str, form: str) -> None:
    env = make_env(f"londi/BabyAIText-{mix}-v0")
    for seed in range(15):
        assert re.match(form, env.reset(seed=seed)[1]["goal"])


def test_making_levels_writes_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="londi.envs.babyai.levels")
    for name in (TEST, "londi/BabyAIText-GoToSeq-v0", "londi/BabyAIText-BossLevel-v0"):
        env = make_env(name)
        for seed in range(15):
            env.reset(seed=seed)
    assert "Sampling rejected" in caplog.text, "no level was rejected: the test saw nothing"
    assert capfd.readouterr() == ("", "")
