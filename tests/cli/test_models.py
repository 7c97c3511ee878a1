"""`londi models`: the names that a model may have."""

from __future__ import annotations

import pytest

from cli.calling import call
from londi.models.registry import builtin_models, load_model


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models") == 0
    out = capsys.readouterr().out
    assert "builtin:babyai-quick" in out
    assert "builtin:babyai-deepthink" in out


def test_each_name_has_a_line_and_can_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [
        *builtin_models(),
        "random",
        "expert",
        "expert:<share>",
        "openai:<model>@<base_url>",
        "smollm2",
        "gguf:<file>",
        "PATH",
    ]
    assert [load_model(name).name for name in ("random", "expert")] == ["random", "expert"]
