"""`londi sweep`: what it prints and leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import call


def test_a_sweep_leaves_figures_a_picture_and_a_page(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = config.read_text().replace("\n", "\n  ").rstrip()
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"base:\n  {base}\ngrid:\n- cost: [0.01, 0.02]\n"
        "evaluation: {episodes: 2, validation_episodes: 1}\n"
    )
    out = tmp_path / "sweep"
    assert call("sweep", "--config", str(file), "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert "londi cost=0.01" in " ".join(printed.out.split())
    assert "3/3" in printed.err and " left" in printed.err
    page = (out / "report.html").read_text()
    assert "data:image/png;base64," in page and "londi cost=0.02" in page
