"""The picture of an evaluation: a whole file, with something to see on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from londi.evaluation.results import Result
from londi.reports.plot import PLOT, plot

COLOURS = {
    "quick": "#555555",
    "deepthink": "#000000",
    "random": "#E69F00",
    "threshold": "#0072B2",
    "londi": "#D55E00",
}


def made(method: str, rate: float, mean: float, seed: tuple[int, ...] = (0,)) -> Result:
    return Result(
        method=method,
        env="londi/BabyAIText-GoToObjS4-v0",
        cost=0.05,
        budget=None,
        seed=seed,
        episodes=200,
        return_mean=mean,
        return_ci=(mean - 0.05, mean + 0.04),
        success_rate=mean,
        call_rate=rate,
        overspent=0.0,
        exceeded=0.0,
        lm_seconds=1.0,
        lm_flops=1e9,
        joules=0.0,
        cost_saved=1 - rate,
        pgr=None,
        substituted_actions=0.0,
        aborted=0,
    )


def evaluation(seed: tuple[int, ...] = (0,)) -> list[Result]:
    return [
        made("quick", 0.0, 0.4, seed),
        made("deepthink", 1.0, 0.9, seed),
        made("random", 0.3, 0.5, seed),
        made("threshold", 0.35, 0.65, seed),
        made("londi", 0.3, 0.8, seed),
    ]


def drawn(image: np.ndarray, colour: str) -> int:
    """Pixels of just that colour."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return int((np.abs(image[..., :3] - wanted).max(-1) < 0.01).sum())


@pytest.mark.parametrize("seed", [(0,), (0, 1, 2)])
def test_every_method_is_on_the_picture(tmp_path: Path, seed: tuple[int, ...]) -> None:
    plot(evaluation(seed), tmp_path / PLOT)
    image = imread(tmp_path / PLOT)
    assert image.shape == (800, 1120, 4)  # 4.0 and 5.6 inches at 200 dots
    for method, colour in COLOURS.items():
        assert drawn(image, colour) > 100, method


def test_a_method_that_was_not_played_is_not_on_it(tmp_path: Path) -> None:
    plot([r for r in evaluation() if r.method != "londi"], tmp_path / PLOT)
    assert drawn(imread(tmp_path / PLOT), COLOURS["londi"]) == 0


def test_the_title_tells_how_much_was_played(tmp_path: Path) -> None:
    # An SVG keeps its text as text where it is told to.
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot(evaluation(), tmp_path / "one.svg")
        plot(evaluation((0, 1, 2)), tmp_path / "three.svg")
    one, three = ((tmp_path / name).read_text() for name in ("one.svg", "three.svg"))
    for text in (one, three):
        assert "BabyAIText-GoToObjS4-v0" in text and "londi/" not in text
        assert "200 held-out episodes" in text and "c = 0.05" in text
        assert "LONDI<" in text and "QUICK alone" in text
    assert "1 training seed," in one and "3 training seeds," in three


def test_a_better_method_is_drawn_higher(tmp_path: Path) -> None:
    def middle(method: str, results: list[Result]) -> float:
        plot(results, tmp_path / PLOT)
        image = imread(tmp_path / PLOT)[:, :, :3]
        wanted = np.array([int(COLOURS[method][k : k + 2], 16) for k in (1, 3, 5)]) / 255
        # Left of the legend, which is at the lower right.
        left = image[:, : image.shape[1] // 2]
        rows = np.nonzero(np.abs(left - wanted).max(-1) < 0.01)[0]
        return float(rows.mean())

    # The rows of a picture are counted from its top.
    assert middle("londi", evaluation()) < middle("random", evaluation()) - 50


def test_only_the_picture_is_left_and_the_old_one_is_gone(tmp_path: Path) -> None:
    file = tmp_path / PLOT
    file.write_bytes(b"an old picture")
    plot(evaluation(), file)
    assert [path.name for path in tmp_path.iterdir()] == [PLOT] == ["return-call-rate.png"]
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")]
)
def test_the_ending_decides_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    plot(evaluation(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("methods", [["londi"], ["quick", "deepthink"], ["quick", "a new one"]])
def test_some_of_the_methods_will_do(tmp_path: Path, methods: list[str]) -> None:
    plot([made(method, 0.5, 0.5) for method in methods], tmp_path / PLOT)
    assert imread(tmp_path / PLOT)[..., :3].std() > 0.01


def test_pyplot_is_not_loaded(tmp_path: Path) -> None:
    # Its global state would be the user's, and it may open a window.
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_plot import evaluation, plot
plot(evaluation(), Path({str(tmp_path / PLOT)!r}))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / PLOT).is_file()
