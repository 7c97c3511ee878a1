"""A Switcher made again from the folder of a run, of this release and of the one before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from londi import TrainConfig
from londi.encoders.base import ConfidenceEncoder
from londi.encoders.registry import make_encoder
from londi.errors import LondiError
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.scripted import RandomModel
from londi.storage.checkpoint import save_state
from londi.storage.runs import create_run
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import Network, PenaltyActor, UniversalActor, UniversalValue
from londi.switching.observation import BUDGET_LEFT
from londi.switching.switcher import (
    LearnedSwitcher,
    Switcher,
)
from switching.observed import WIDTH, everywhere, seen, undecided

MakeLM = Callable[..., Seq2SeqModel]


def observations(encoder: str, quick: LanguageModel, deepthink: LanguageModel) -> np.ndarray:
    """64 observations as that encoder could make them."""
    size = make_encoder(encoder, quick, deepthink).size
    rows = seen(64, size=size)
    if encoder == "transformer":
        rows[:, :size] = np.random.default_rng(0).integers(1, 200, (64, size))
        rows[1::2, 40:size] = 0  # shorter prompts are padded
    return rows


def save_run(folder: Path, encoder: str, quick: LanguageModel, deepthink: LanguageModel) -> Network:
    """Leave in `folder` what a training leaves there; returns the actor."""
    made = undecided(
        PenaltyActor(make_encoder(encoder, quick, deepthink), WIDTH, 1, 0.0),
        observations(encoder, quick, deepthink),
    )
    folder.mkdir(exist_ok=True)
    switcher = {
        "algorithm": "sac",
        "encoder": encoder,
        "width": WIDTH,
        "budget": 1,
        "punishment": 0.0,
        "actor": made.state_dict(),
    }
    save_state(folder / "checkpoint", {"switcher": switcher, "step": 10})
    return made


@pytest.mark.parametrize("encoder", ["none", "confidence", "quick", "transformer"])
@pytest.mark.parametrize("greedy", [True, False])
def test_a_saved_switcher_decides_as_it_did(
    make_lm: MakeLM, tmp_path: Path, encoder: str, greedy: bool
) -> None:
    quick, deepthink = make_lm(0), make_lm(1)
    made = save_run(tmp_path / "r", encoder, quick, deepthink)
    # A run's models come behind a cache.
    cached = [CachedModel(model, AnswerStore()) for model in (quick, deepthink)]
    loaded = Switcher.load(tmp_path / "r", *cached, greedy=greedy)
    assert loaded.encoder == encoder and loaded.greedy is greedy

    observation, allowed = observations(encoder, quick, deepthink), everywhere(64)
    allowed[::5, 1] = False
    before, after = (
        switcher.decide(observation, allowed, np.random.default_rng(3))
        for switcher in (LearnedSwitcher(made, encoder, greedy), loaded)
    )
    np.testing.assert_array_equal(before.choice, after.choice)
    np.testing.assert_array_equal(before.propensity, after.propensity)
    assert len(set(loaded.call_probability(observation, allowed).tolist())) > 1


def test_a_loaded_switcher_draws_unless_told(make_lm: MakeLM, tmp_path: Path) -> None:
    lm = make_lm()
    save_run(tmp_path, "quick", lm, lm)
    assert Switcher.load(str(tmp_path), lm, lm).greedy is False


@pytest.mark.parametrize("what", ["nowhere", "an empty folder", "an empty checkpoint", "a file"])
def test_a_folder_without_a_checkpoint_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "r"
    if what == "a file":
        folder.write_text("x")
    elif what != "nowhere":
        folder.mkdir()
        if what == "an empty checkpoint":
            (folder / "checkpoint").mkdir()
    with pytest.raises(LondiError, match="no checkpoint") as caught:
        Switcher.load(folder, RandomModel(), RandomModel())
    assert repr(str(folder)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("encoder", "other"), [("quick", {"d_model": 8}), ("transformer", {"vocabulary": 262})]
)
def test_a_switcher_in_front_of_other_models_is_refused(
    make_lm: MakeLM, tmp_path: Path, encoder: str, other: dict[str, int]
) -> None:
    trained, different = make_lm(), make_lm(config=other)
    save_run(tmp_path, encoder, trained, trained)
    with pytest.raises(LondiError, match="trained in front of other models") as caught:
        Switcher.load(tmp_path, different, trained)
    assert len(str(caught.value).splitlines()) == 1


def test_a_switcher_in_front_of_models_that_show_nothing_is_refused(
    make_lm: MakeLM, tmp_path: Path
) -> None:
    lm = make_lm()
    save_run(tmp_path, "quick", lm, lm)
    with pytest.raises(LondiError, match="'random'") as caught:
        Switcher.load(tmp_path, RandomModel(), lm)
    assert len(str(caught.value).splitlines()) == 1


def former(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by the names that they had: a trunk for a range held another one."""
    return {name.replace("trunk.", "trunk.inner."): value for name, value in weights.items()}


def test_a_fixed_switcher_of_the_release_before_decides_as_it_did(tmp_path: Path) -> None:
    made = undecided(PenaltyActor(ConfidenceEncoder(), WIDTH, 4, 7.0), seen(64))
    create_run(tmp_path / "r", TrainConfig(budget=4, budget_mode="penalty"), overwrite=False)
    state = {
        "encoder": "confidence",
        "width": WIDTH,
        "punishment": 7.0,
        "actor": made.state_dict(),
    }
    save_state(tmp_path / "r" / "checkpoint", {"switcher": state, "step": 10})
    loaded = Switcher.load(tmp_path / "r", RandomModel(), RandomModel())
    rows = seen(64)
    rows[:, 1 + BUDGET_LEFT] = np.arange(64) % 6 - 1  # beyond the budget, and up to four left
    expected = LearnedSwitcher(made, "confidence").call_probability(rows, everywhere(64))
    np.testing.assert_array_equal(loaded.call_probability(rows, everywhere(64)), expected)
    assert len(set(expected.tolist())) > 30


def test_a_universal_switcher_of_the_release_before_decides_as_it_did(tmp_path: Path) -> None:
    terms, encoder = CostBudgetRange(0.02, 0.8, 3), ConfidenceEncoder()
    made = undecided(UniversalActor(encoder, WIDTH, terms), seen(64))
    value_head = UniversalValue(encoder, WIDTH, terms)
    state = {
        "encoder": "confidence",
        "width": WIDTH,
        "terms": {"low": 0.02, "high": 0.8, "most": 3},
        "actor": former(made.state_dict()),
        "forecast": former(value_head.state_dict()),
    }
    save_state(tmp_path / "r" / "checkpoint", {"switcher": state, "step": 10})
    loaded = Switcher.load(tmp_path / "r", RandomModel(), RandomModel())
    assert isinstance(loaded, LearnedSwitcher) and loaded.supported == terms
    expected = LearnedSwitcher(made, "confidence", supported=terms, value_head=value_head)
    rows = seen(64)
    np.testing.assert_array_equal(
        loaded.call_probability(rows, everywhere(64)),
        expected.call_probability(rows, everywhere(64)),
    )
    np.testing.assert_array_equal(loaded.expect(rows).returns, expected.expect(rows).returns)
    np.testing.assert_array_equal(loaded.expect(rows).calls, expected.expect(rows).calls)
