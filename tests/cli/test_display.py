"""Tables fit 80 columns, with everything in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from londi.cli.display import print_curves, print_limit, print_results
from londi.oracle.clairvoyant import Limit, MeanLimit
from reports.comparison import FOUND
from reports.test_plot import evaluation


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    return out


@pytest.mark.parametrize("budget", [None, 4])
@pytest.mark.parametrize("joules", [0.0, 12345.6])
def test_results_fit(budget: int | None, joules: float, capsys: pytest.CaptureFixture[str]) -> None:
    spent = {"lm_cpu_seconds": 12.3456, "seconds": 123.4, "calls": 14.2, "currency": "USD"}
    spent |= {"money": 1.25, "money_saved": 0.5, "bill": 2.5}
    lines = [
        (r.method, replace(r, budget=budget, joules=joules, pgr=0.5, **spent))  # type: ignore[arg-type]
        for r in evaluation()
    ]
    print_results("BabyAI, 200 episodes", "method", lines)
    out = printed(capsys)
    for text in ("deepthink", "0.750..0.840", "70%", "12,346", "123,400", "14,200", "1,250"):
        assert text in out
    assert ("12,345,600" in out) == ("joules" in out) == bool(joules)
    assert ("over budget:" in out) == (budget is not None)


def test_long_names_are_folded(capsys: pytest.CaptureFixture[str]) -> None:
    name = "londi cost=0.005 budget=12 encoder=sentence:all-MiniLM-L6-v2 universal=True"
    print_results("t", "run", [(name, replace(evaluation()[4], budget=2, joules=3.0))])
    assert "0.750..0.840" in printed(capsys)


def test_curves_fit(capsys: pytest.CaptureFixture[str]) -> None:
    curves = [replace(c, method="episode-router") for c in FOUND.curves]
    print_curves(replace(FOUND, curves=curves))
    out = printed(capsys)
    assert "episode-router" in out and "0.400..0.500" in out and "10 40 80 %" in out


def test_the_limit_fits(capsys: pytest.CaptureFixture[str]) -> None:
    print_limit("londi/Somewhere-v0", Limit([], [MeanLimit(0.5, 0.6, 0.1, 1.0)], []))
    assert "0.500..0.600" in printed(capsys)
