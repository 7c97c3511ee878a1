"""A Switcher as one file: the same probabilities, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from londi.config import TrainConfig
from londi.errors import InvalidConfig, LondiError, OutputExists
from londi.evaluation.export import export
from londi.evaluation.operating_point import TunedPoint, save_operating_point
from londi.learning.trainer import train
from londi.switching.budget import Budget
from londi.switching.observation import CAPPED, CONTEXT, COST
from londi.switching.switcher import LearnedSwitcher, OnnxSwitcher, Switcher
from londi.types import Array
from playthings import TOY, UNIVERSAL, Scripted, toy

SHORT = {"steps": 200, "warmup": 100, "checkpoint_every": 200}
KINDS: dict[str, TrainConfig] = {
    "fixed": replace(TOY, **SHORT),  # type: ignore[arg-type]
    "penalty": replace(TOY, budget=2, budget_mode="penalty", **SHORT),  # type: ignore[arg-type]
    "universal": replace(UNIVERSAL, **SHORT),  # type: ignore[arg-type]
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, config in KINDS.items():
        train(config, folder / name, pair=toy())
    return {name: folder / name for name in KINDS}


def seen(switcher: Switcher, features: int, rows: int = 500) -> tuple[Array, Array]:
    """Random observations with every budget and cost, and what is allowed."""
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(rows, features + CONTEXT)).astype(np.float32)
    observation[:, features] = rng.integers(-2, 6, rows)
    observation[:, features + CAPPED] = rng.integers(0, 2, rows)
    observation[:, features + COST] = rng.uniform(0.0, 1.0, rows)
    allowed = np.ones((rows, 2), bool)
    allowed[::3, 1] = False
    return observation, allowed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("greedy", [False, True])
def test_the_file_gives_the_same_probabilities(
    kind: str, greedy: bool, runs: dict[str, Path], tmp_path: Path
) -> None:
    file, pair = tmp_path / "switcher.onnx", toy()
    made = export(runs[kind], file, pair=pair)
    learned = Switcher.load(runs[kind], pair.quick, pair.deepthink, greedy)
    loaded = Switcher.load(file, greedy=greedy)
    assert isinstance(learned, LearnedSwitcher) and isinstance(loaded, OnnxSwitcher)
    observation, allowed = seen(learned, made.features)
    wanted = learned.call_probability(observation, allowed)
    assert greedy or len(set(wanted.tolist())) > 100
    np.testing.assert_allclose(
        loaded.call_probability(observation, allowed), wanted, rtol=0, atol=1e-6
    )
    one = loaded.call_probability(observation[:1], np.ones((1, 2), bool))
    assert one.shape == (1,)
    assert loaded.encoder == learned.encoder and loaded.supported == learned.supported


def test_the_range_of_costs_and_budgets_is_in_the_file(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    export(runs["universal"], tmp_path / "u.onnx", pair=toy())
    export(runs["fixed"], tmp_path / "f.onnx", pair=toy())
    universal, fixed = (Switcher.load(tmp_path / name) for name in ("u.onnx", "f.onnx"))
    universal.check_supported(KINDS["universal"].cost_range[0], Budget(1))
    with pytest.raises(InvalidConfig, match="cost: expected one that the Switcher was trained for"):
        universal.check_supported(100.0, Budget())
    assert fixed.supported is None
    assert isinstance(fixed, OnnxSwitcher)
    assert fixed.made.cost == KINDS["fixed"].cost and fixed.made.budget is None


def test_a_universal_one_says_what_it_expects(runs: dict[str, Path], tmp_path: Path) -> None:
    pair, file = toy(), tmp_path / "u.onnx"
    made = export(runs["universal"], file, pair=pair)
    learned, loaded = (
        Switcher.load(runs["universal"], pair.quick, pair.deepthink),
        Switcher.load(file),
    )
    observation, _ = seen(learned, made.features)
    wanted, found = learned.expect(observation), loaded.expect(observation)
    assert found.gain.shape == found.more_calls.shape == (len(observation),)
    np.testing.assert_allclose(found.returns, wanted.returns, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.calls, wanted.calls, rtol=1e-5, atol=1e-5)


def test_another_one_does_not(runs: dict[str, Path], tmp_path: Path) -> None:
    made = export(runs["fixed"], tmp_path / "f.onnx", pair=toy())
    with pytest.raises(LondiError, match="only a universal Switcher says what it expects"):
        Switcher.load(tmp_path / "f.onnx").expect(
            np.zeros((1, made.features + CONTEXT), np.float32)
        )


def test_a_tuned_switcher_keeps_its_operating_point(runs: dict[str, Path], tmp_path: Path) -> None:
    low, high = KINDS["universal"].cost_range
    point = TunedPoint((low + high) / 2, (low, high), 2, "a wish", 10, 0.5, 0.2, 1.0, None)
    save_operating_point(runs["universal"], point)
    made = export(runs["universal"], tmp_path / "u.onnx", pair=toy())
    assert (made.cost, made.budget) == ((low + high) / 2, 2)


def test_torch_is_not_needed_to_use_the_file(runs: dict[str, Path], tmp_path: Path) -> None:
    made = export(runs["fixed"], tmp_path / "switcher.onnx", pair=toy())
    code = f"""
import sys
import numpy as np
from londi import Switcher
switcher = Switcher.load("switcher.onnx")
rows = np.zeros((2, {made.features + CONTEXT}), np.float32)
decision = switcher.decide(rows, np.ones((2, 2), bool), np.random.default_rng(0))
assert decision.choice.shape == (2,)
assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("switcher.pt", r"out: expected a file name that ends in \.onnx, got"),
        ("nowhere/switcher.onnx", "out: there is no folder"),
    ],
)
def test_a_bad_place_is_refused(
    name: str, message: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        export(runs["fixed"], tmp_path / name, pair=toy())
    assert not list(tmp_path.iterdir())


def test_an_earlier_file_is_replaced_only_on_request(runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "switcher.onnx"
    file.write_text("mine")
    with pytest.raises(OutputExists, match="give --overwrite"):
        export(runs["fixed"], file, pair=toy())
    assert file.read_text() == "mine"
    export(runs["fixed"], file, pair=toy(), overwrite=True)
    assert isinstance(Switcher.load(file), OnnxSwitcher)


def test_other_models_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    file, pair = tmp_path / "switcher.onnx", toy()
    export(runs["fixed"], file, pair=pair)
    Switcher.load(file, pair.quick, pair.deepthink)

    another = Scripted("deepthink", ())
    another.fingerprint = "another"
    with pytest.raises(LondiError, match=r"was trained with the model .* is another one"):
        Switcher.load(file, pair.quick, another)


def test_what_is_no_switcher_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "switcher.onnx"
    with pytest.raises(LondiError, match=r"cannot read '.*switcher\.onnx': No such file"):
        Switcher.load(file)
    file.write_bytes(b"damaged")
    with pytest.raises(LondiError, match="is no model in ONNX's format"):
        Switcher.load(file)
    export(runs["fixed"], file, pair=toy(), overwrite=True)
    graph = onnx.load(file)
    (told,) = graph.metadata_props
    right = told.value
    told.value = right.replace('"format": 2', '"format": 9')
    onnx.save(graph, file)
    with pytest.raises(LondiError, match="expected format 2, got 9; export it anew"):
        Switcher.load(file)
    told.value = right.replace('"features": ', '"features": "x')
    onnx.save(graph, file)
    with pytest.raises(LondiError, match="export it anew"):
        Switcher.load(file)
    del graph.metadata_props[:]
    onnx.save(graph, file)
    with pytest.raises(LondiError, match="is no Switcher; expected a file of `londi export`"):
        Switcher.load(file)


def test_an_observation_of_another_encoder_is_refused(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    made = export(runs["fixed"], tmp_path / "switcher.onnx", pair=toy())
    switcher = Switcher.load(tmp_path / "switcher.onnx")
    wrong = np.zeros((1, made.features + CONTEXT + 3), np.float32)
    with pytest.raises(InvalidConfig, match=r"observation: expected .* features of the encoder"):
        switcher.call_probability(wrong, np.ones((1, 2), bool))


def test_the_folder_of_a_run_needs_its_models(runs: dict[str, Path]) -> None:
    with pytest.raises(InvalidConfig, match="expected its two models, got none"):
        Switcher.load(runs["fixed"])
