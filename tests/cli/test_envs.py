"""`londi envs`: families, the built-in pair, and a filter."""

from __future__ import annotations

import pytest

from cli.calling import call
from londi.cli.envs import FAMILIES
from londi.envs.registry import environment_names
from londi.models.registry import builtin_models


def test_environments_are_listed_by_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("envs") == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line.startswith(tuple(f"{f.title}:" for f in FAMILIES))]
    assert len(heads) == len(FAMILIES)
    names = [line.removesuffix(" *") for line in lines if line.startswith("londi/")]
    assert sorted(names) == sorted(environment_names())
    marked = [line for line in lines if line.startswith("londi/") and line.endswith(" *")]
    assert marked == [f"{family.trained} *" for family in FAMILIES if family.trained]
    assert "Built-in models: builtin:babyai-deepthink," in "\n".join(lines)
    assert max(map(len, lines)) <= 80


def test_the_list_can_be_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("envs", "scienceworld") == 0
    out = capsys.readouterr().out
    assert "londi/ScienceWorld-boil-v0\n" in out and "BabyAI" not in out
    assert call("envs", "scienceworl") == 0
    assert call("envs", "nowhere-at-all") == 2
    assert "unknown environment 'nowhere-at-all'" in capsys.readouterr().err


def test_families_are_what_there_is() -> None:
    for family in FAMILIES:
        assert any(name.startswith(family.prefix) for name in environment_names())
    for family in filter(lambda family: family.models, FAMILIES):
        assert family.trained in environment_names()
        assert sum(name.startswith(family.models) for name in builtin_models()) >= 2
