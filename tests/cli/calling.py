"""The command line, called in this process."""

from __future__ import annotations

import pytest

from londi.cli.main import main

ENV = "londi/BabyAIText-GoToObjS4-v0"


def call(*arguments: str) -> int:
    """The exit code of `londi` with these arguments."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return code
