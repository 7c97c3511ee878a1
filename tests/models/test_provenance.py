"""The models that a run was made with, and the refusal of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from londi.config import EvaluateConfig, TuneConfig
from londi.errors import DamagedFile, LondiError
from londi.evaluation.evaluate import evaluate
from londi.evaluation.tune import tune
from londi.learning.trainer import train
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.pair import ModelPair
from londi.models.provenance import MODELS, check_provenance, write_provenance
from londi.models.scripted import RandomModel
from playthings import UNIVERSAL, Corridor, Scripted, deepthink, quick, toy


def pair(small: LanguageModel, large: LanguageModel) -> ModelPair:
    return ModelPair(small, large, Corridor)


def other(name: str) -> Scripted:
    """A model that is called as another one, and is not the same."""
    model = Scripted(name, ["easy"])
    model.fingerprint = "another"
    return model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder that QUICK and DEEPTHINK of the corridor were written down in."""
    write_provenance(tmp_path, toy())
    return tmp_path


def test_both_models_lie_in_the_folder_by_name_and_fingerprint(tmp_path: Path) -> None:
    model = other("small")
    write_provenance(tmp_path, pair(model, RandomModel()))
    assert [file.name for file in tmp_path.iterdir()] == [MODELS]
    assert json.loads((tmp_path / MODELS).read_text()) == {
        "quick": {"name": "small", "fingerprint": "another"},
        "deepthink": {"name": "random", "fingerprint": None},
    }


def test_the_models_that_made_it_are_let_through(run: Path) -> None:
    check_provenance(run, toy())
    # So they are behind a cache, which changes no answer.
    check_provenance(run, ModelPair(quick(), deepthink(), Corridor, AnswerStore()))


@pytest.mark.parametrize(
    ("models", "named"),
    [
        (lambda: (other("quick"), deepthink()), "'quick'"),
        (lambda: (quick(), other("deepthink")), "'deepthink'"),
        (lambda: (deepthink(), quick()), "'quick'"),
        (lambda: (RandomModel(), deepthink()), "'quick'"),
    ],
)
def test_another_model_is_refused_in_one_line(
    run: Path, models: Callable[[], tuple[LanguageModel, LanguageModel]], named: str
) -> None:
    with pytest.raises(LondiError) as caught:
        check_provenance(run, pair(*models()))
    said = str(caught.value)
    assert f"the run in {str(run)!r} was made with the model {named}" in said
    assert len(said.splitlines()) == 1


def test_the_model_that_came_in_its_place_is_named(run: Path) -> None:
    with pytest.raises(LondiError, match="the model 'quick', and 'random' is another one now"):
        check_provenance(run, pair(RandomModel(), deepthink()))


def test_a_model_may_be_called_by_another_name(run: Path) -> None:
    """A folder may have been moved: the answers are the same."""
    moved = quick()
    moved.name = "elsewhere/quick"
    check_provenance(run, pair(moved, deepthink()))


def test_models_whose_answers_are_drawn_are_not_told_apart(tmp_path: Path) -> None:
    write_provenance(tmp_path, pair(RandomModel(0), RandomModel(1)))
    check_provenance(tmp_path, pair(RandomModel(2), RandomModel(3)))


def test_a_change_of_one_weight_is_another_model(
    make_lm: Callable[..., Seq2SeqModel], tmp_path: Path
) -> None:
    small = make_lm()
    write_provenance(tmp_path, pair(small, make_lm(1)))
    check_provenance(tmp_path, pair(small, make_lm(1)))
    trained = make_lm(1)
    with torch.no_grad():
        trained.model.shared.weight[5, 3] += 1e-3
    with pytest.raises(LondiError, match="its weights or settings differ"):
        check_provenance(tmp_path, pair(small, trained))


def test_a_run_of_release_0_1_has_no_such_file_and_is_not_checked(tmp_path: Path) -> None:
    check_provenance(tmp_path, toy())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "quick"),
        ('{"quick": {"name": 3, "fingerprint": null}, "deepthink": 1}', "name"),
    ],
)
def test_a_damaged_file_is_named_and_not_taken_for_none(run: Path, text: str, said: str) -> None:
    (run / MODELS).write_text(text)
    with pytest.raises(DamagedFile, match=said) as caught:
        check_provenance(run, toy())
    assert str(run / MODELS) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_no_later_command_takes_other_models(tmp_path: Path) -> None:
    """A run that goes on, an evaluation and a tuning each look before they spend anything."""
    config = replace(UNIVERSAL, steps=64, warmup=32, checkpoint_every=32)
    assert not train(config, tmp_path, pair=toy(), should_stop=lambda: True)
    wrong = pair(quick(), other("deepthink"))
    for command in (
        lambda: train(config, tmp_path, pair=wrong, resume=True),
        lambda: evaluate(tmp_path, EvaluateConfig(episodes=2), pair=wrong),
        lambda: tune(config, tmp_path, TuneConfig(call_rate=0.2), pair=wrong),
    ):
        with pytest.raises(LondiError, match="was made with the model 'deepthink'"):
            command()
    assert train(config, tmp_path, pair=toy(), resume=True)
