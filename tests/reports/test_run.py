"""The page of a run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from londi.reports.plot import PLOT, plot
from londi.reports.run import write_run_page
from londi.reports.training import TRAINING, plot_training
from reports.test_plot import evaluation
from reports.trainings import reports


def test_the_page_has_figures_and_pictures_and_loads_nothing(tmp_path: Path) -> None:
    results = [
        replace(r, lm_cpu_seconds=0.1 + r.call_rate, pgr=0.8, money=0.001 * (1 + r.call_rate))
        for r in evaluation()
    ]
    results[-1] = replace(results[-1], money_saved=0.35, currency="USD")
    plot(results, tmp_path / PLOT)
    plot_training(reports(9), tmp_path / TRAINING)
    lines = [(r.method, r) for r in results]
    text = write_run_page(tmp_path, "a <b>title</b>", lines, tmp_path).read_text()
    assert text.count("data:image/png;base64,") == 2
    assert "a &lt;b&gt;title&lt;/b&gt;" in text and "{{" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:)", text) and "<script" not in text
    head = text[text.index("headline") :]
    # Calls and seconds are saved by different shares; each is named.
    assert "of DEEPTHINK’s calls saved</dt><dd>70%" in head
    assert "of the seconds in the models saved</dt><dd>64%" in head
    assert "of the money saved</dt><dd>35%" in head
    assert re.findall(r"<tr[^>]*><td>(\w+)", text) == [r.method for r in results] * 2
    # The account: 1,000 episodes, and what is saved of them.
    assert '<th scope="col">money, USD</th>' in text and "<td>1.30<small>35%</small>" in text
    assert "always DEEPTHINK takes" in text


def test_the_page_of_a_training_alone(tmp_path: Path) -> None:
    plot_training(reports(9), tmp_path / TRAINING)
    text = write_run_page(tmp_path, "title", run=tmp_path).read_text()
    assert text.count("data:image/png;base64,") == 1 and "<table" not in text


def test_a_budget_has_its_column_in_the_page(tmp_path: Path) -> None:
    capped = [("x", replace(evaluation()[4], budget=4, exceeded=0.25))]
    assert "25.0%" in write_run_page(tmp_path, "title", capped).read_text()
    assert (
        "over budget" not in write_run_page(tmp_path, "title", [("x", evaluation()[4])]).read_text()
    )
