"""`londi finetune` from end to end, on a model of a few thousand weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from safetensors.torch import load_file

from londi.config import FinetuneConfig
from londi.errors import LondiError, OutputExists, UnknownName
from londi.imitation.finetune import FinetuneProgress, _load_base, finetune, make_optimizers
from londi.imitation.tokenizer import learn_tokenizer, new_model
from londi.models.check import PROMPTS
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.registry import load_model
from londi.storage.checkpoint import load_state
from playthings import Corridor


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def trained(
    tiny_config: FinetuneConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[FinetuneProgress], dict[str, object]]:
    """The folder, the progress and the figures of a short training."""
    out = tmp_path_factory.mktemp("finetune") / "deep" / "er"
    progress: list[FinetuneProgress] = []
    figures = finetune(tiny_config, out, on_progress=progress.append)
    return out, progress, figures


Trained = tuple[Path, list[FinetuneProgress], dict[str, object]]


def test_it_leaves_a_model_that_plays(trained: Trained) -> None:
    out, _, figures = trained
    lm = load_model(str(out / "model"))
    assert isinstance(lm, Seq2SeqModel)
    assert lm.reader.history == 3
    assert figures["parameters"] == sum(p.numel() for p in lm.model.parameters())


def test_it_leaves_a_card_and_a_recipe(trained: Trained, tiny_config: FinetuneConfig) -> None:
    out, _, figures = trained
    card = (out / "model" / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert f"# A player for {tiny_config.env}" in card
    for key, value in figures.items():
        assert f"| {key} | {value} |" in card
    recipe = json.loads((out / "model" / "recipe.json").read_text())
    assert recipe["figures"] == figures
    assert recipe["config"]["learning_rate"] == tiny_config.learning_rate


def test_the_figures_are_of_held_out_play(trained: Trained, tiny_config: FinetuneConfig) -> None:
    figures = trained[2]
    assert figures["episodes"] == tiny_config.evaluation_episodes
    assert 0 <= figures["success"] <= 1  # type: ignore[operator]
    assert 0 <= figures["return"] <= 1  # type: ignore[operator]


def test_the_loss_falls(trained: Trained, tiny_config: FinetuneConfig) -> None:
    progress = trained[1]
    assert [p.step for p in progress] == [5, 10, 15, 20, 25, 30]
    assert [p.round for p in progress] == [0, 0, 0, 1, 1, 1]
    assert progress[-1].loss < 0.7 * progress[0].loss
    assert all(p.steps == tiny_config.steps and p.examples_per_second > 0 for p in progress)


def test_the_same_seed_gives_the_same_weights(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    finetune(tiny_config, tmp_path / "again")
    finetune(replace(tiny_config, seed=1), tmp_path / "other")
    first, again, other = (
        weights(trained[0]),
        weights(tmp_path / "again"),
        weights(tmp_path / "other"),
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(
        first[key].shape != other[key].shape or not torch.equal(first[key], other[key])
        for key in first
    )


class Killed(Exception):
    """As a kill would, it leaves nothing behind but the last checkpoint."""


@pytest.mark.parametrize(("after", "checkpoint"), [(10, 10), (15, 15), (25, 20)])
def test_a_killed_training_goes_on_and_ends_the_same(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path, after: int, checkpoint: int
) -> None:
    def die(progress: FinetuneProgress) -> None:
        if progress.step > after:
            raise Killed

    with pytest.raises(Killed):
        finetune(tiny_config, tmp_path / "run", on_progress=die)
    assert not (tmp_path / "run" / "model").exists()
    resumed: list[FinetuneProgress] = []
    finetune(tiny_config, tmp_path / "run", resume=True, on_progress=resumed.append)
    # From the last checkpoint, every ten steps and at the end of a round, not from the start.
    assert resumed[0].step == checkpoint + 5
    assert resumed[-1].step == tiny_config.steps
    first, second = weights(trained[0]), weights(tmp_path / "run")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_stopped_training_loses_no_step(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    asked = iter(range(1000))
    out = tmp_path / "run"
    # It is asked before the one part of the recording, and after each step.
    assert finetune(tiny_config, out, should_stop=lambda: next(asked) == 7) is None
    assert int(load_state(out / "checkpoint")["step"]) == 7
    finetune(tiny_config, out, resume=True)
    first, second = weights(trained[0]), weights(out)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_is_not_overwritten_unasked(trained: Trained, tiny_config: FinetuneConfig) -> None:
    with pytest.raises(OutputExists):
        finetune(tiny_config, trained[0])


def test_an_unknown_environment_leaves_nothing(tiny_config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        finetune(replace(tiny_config, env="londi/BabyAIText-GoToObjS44-v0"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _nothing_is_played(*_: object) -> None:
    raise AssertionError("demonstrations were recorded")


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"device": "cuda:99"},
        "device: expected one that this machine has, such as cpu, got 'cuda:99",
    ),
    ({"device": "auto"}, "device: expected one that this machine has, such as cpu, got 'auto'"),
    ({"device": "meta"}, "device: expected one that this machine has, such as cpu, got 'meta'"),
    ({"base": "/etc"}, "'/etc'"),
    ({"base": "/no/such/folder"}, "there is no such folder"),
    ({"phrases": ("[",)}, r"phrases: expected regular expressions, got '\['"),
    ({"phrases": ("ok", "(?<n>a)(?<n")}, r"phrases: expected regular expressions, got '\(\?<n>a"),
    ({"env": "test/Silent-v0"}, "env: test/Silent-v0 has no expert to imitate"),
    ({"env": "test/Listless-v0"}, "noise: test/Listless-v0 lists no actions to draw from"),
    ({"env": "test/Plain-v0"}, "unknown option of test/Plain-v0 'expert'"),
    ({"demonstrations": "/" + "x" * 300}, "path .*: File name too long"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_played(
    tiny_config: FinetuneConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    message: str,
) -> None:
    class Silent(Corridor):
        def __init__(self, expert: bool = False) -> None:
            super().__init__()

    class Listless(Silent):
        def _info(self) -> dict[str, Any]:
            return super()._info() | {"actions": (), "expert": "left"}

    made = {"test/Silent-v0": Silent, "test/Listless-v0": Listless, "test/Plain-v0": Corridor}
    for name, creator in made.items():
        monkeypatch.setitem(gym.registry, name, gym.envs.registration.EnvSpec(name, creator))
    monkeypatch.setattr("londi.imitation.finetune.record_expert", _nothing_is_played)
    with pytest.raises(LondiError, match=message) as error:
        config = replace(tiny_config, **changed)
        finetune(config, tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_path_that_is_too_long_is_refused(
    tiny_config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("londi.imitation.finetune.record_expert", _nothing_is_played)
    with pytest.raises(LondiError, match="too long"):
        finetune(tiny_config, tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


def test_resumed_when_done_it_trains_no_more(trained: Trained, tiny_config: FinetuneConfig) -> None:
    out = trained[0]
    before = weights(out)
    calls: list[FinetuneProgress] = []
    finetune(tiny_config, out, resume=True, on_progress=calls.append)
    assert calls == []
    assert all(torch.equal(before[key], value) for key, value in weights(out).items())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_weight_has_one_optimizer(tiny_config: FinetuneConfig, optimizer: str) -> None:
    tokenizer = learn_tokenizer(["go to the red ball"], (), 300)
    model = new_model(tiny_config, tokenizer)
    made = make_optimizers(model, replace(tiny_config, optimizer=optimizer))
    held = [id(w) for o in made for group in o.param_groups for w in group["params"]]
    assert sorted(held) == sorted(map(id, model.parameters()))
    assert len(made) == (2 if optimizer == "muon" else 1)


def test_it_can_start_from_a_model(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    base = str(trained[0] / "model")
    config = replace(tiny_config, base=base, history=1, steps=4, rounds=0, learning_rate=1e-5)
    finetune(config, tmp_path / "on")
    lm = load_model(str(tmp_path / "on" / "model"))
    assert isinstance(lm, Seq2SeqModel)
    assert lm.reader.history == 1
    old, new = weights(trained[0]), weights(tmp_path / "on")
    assert old.keys() == new.keys()
    for key in old:
        torch.testing.assert_close(old[key], new[key], atol=1e-3, rtol=0)
    assert any(not torch.equal(old[key], new[key]) for key in old)


def test_further_rounds_are_played_with_the_weights_learned_so_far(
    trained: Trained, tiny_config: FinetuneConfig
) -> None:
    """Graphs of another backend hold the weights that they were exported with."""
    base = _load_base(replace(tiny_config, base=str(trained[0] / "model")))
    assert base is not None
    prompt = PROMPTS[0]
    (before,) = base.act([prompt])
    with torch.no_grad():
        for weights in base.model.parameters():
            weights.mul_(0.5)
    assert base.act([prompt])[0].logprob != before.logprob


def test_a_recording_that_was_stopped_goes_on(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is recorded twice, and the model is that of a run that was not stopped."""
    for module in ("finetune", "demonstrations"):
        monkeypatch.setattr(f"londi.imitation.{module}.PART", 4)
    folder = tmp_path / "run"
    told: list[tuple[str, int, int]] = []
    assert tiny_config.episodes > 8
    stopped = iter([False, True])
    assert finetune(tiny_config, folder, should_stop=lambda: next(stopped)) is None
    assert len(list(folder.glob("demonstrations-0*"))) == 1
    assert finetune(tiny_config, folder, resume=True, on_episodes=lambda *stage: told.append(stage))
    stages = {stage: [done for of, done, _ in told if of == stage] for stage, *_ in told}
    assert list(stages) == ["recording", "playing", "evaluating"]
    assert stages["recording"] == [4, 8, 12]
    assert stages["evaluating"] == [1, 2, 3, 4]
    assert {(of, total) for of, _, total in told} == {
        ("recording", 12),
        ("playing", 4),
        ("evaluating", 4),
    }
    assert len(list(folder.glob("demonstrations-0*"))) == 1
    first, second = weights(trained[0]), weights(folder)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_it_learns_the_same_from_borrowed_demonstrations(
    trained: Trained, tiny_config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(*_: object) -> None:
        raise AssertionError("the expert was asked again")

    monkeypatch.setattr("londi.imitation.finetune.record_expert", record)
    finetune(replace(tiny_config, demonstrations=str(trained[0])), tmp_path / "borrower")
    first, second = weights(trained[0]), weights(tmp_path / "borrower")
    assert all(torch.equal(first[key], second[key]) for key in first)
