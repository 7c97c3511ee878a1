"""Models in int8 and bfloat16: smaller, nearly as good, and never taken for one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from londi.config import BABYAI_MIX
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.imitation.demonstrations import Demonstration, collect_expert
from londi.imitation.tokenizer import learn_tokenizer
from londi.models.hf.causal import CausalModel
from londi.models.hf.int8 import ROWS, Int8Linear, to_int8
from londi.models.hf.transformer import TransformerModel
from londi.models.registry import load_model, load_transformer
from models.hf.tiny import KINDS

PAIR = ("builtin:babyai-quick", "builtin:babyai-deepthink")
AGREE = 0.97
"""Least share of the prompts on which a compressed model acts as it did before."""


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """States of the mix that the built-in models were trained for."""
    episodes = collect_expert(BABYAI_MIX, range(2000, 2016), (0.3,))
    return [prompt for episode in episodes for prompt, _ in episode.examples(3)][:100]


def in_format(name: str, dtype: str) -> TransformerModel:
    model = load_model(name, dtype=dtype)
    assert isinstance(model, TransformerModel)
    return model


def size(lm: TransformerModel) -> int:
    """Bytes of the weights."""
    return sum(weight.nbytes for weight in lm.model.parameters())


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_layer_computes_nearly_the_same() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(64, 48)
    layer = Int8Linear(plain.weight, plain.bias)
    states = torch.randn(2, ROWS, 64)  # more rows than are multiplied at a time
    with torch.inference_mode():
        wanted, found = plain(states), layer(states)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 0.01


def test_a_layer_takes_rows_of_zeros_and_of_any_size() -> None:
    layer = Int8Linear(torch.eye(3), None)
    rows = torch.tensor([[0.0, 0.0, 0.0], [1e-6, 0.0, -1e-6], [1e6, 0.0, 1e6]])
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), rows)


def test_a_row_does_not_depend_on_those_beside_it() -> None:
    torch.manual_seed(0)
    layer = Int8Linear(torch.randn(48, 64), None)
    states = torch.randn(700, 64)
    beside = torch.cat([states[:1], 1000 * states[1:]])
    with torch.inference_mode():
        assert torch.equal(layer(states)[0], layer(states[:1])[0])
        assert torch.equal(layer(states)[0], layer(beside)[0])


def test_gpt2s_kind_of_layer_becomes_one_too() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(Conv1D(48, 64), nn.Linear(48, 8, bias=False))
    nn.init.normal_(plain[0].bias)
    states = torch.randn(5, 64)
    with torch.inference_mode():
        wanted = plain(states)
        to_int8(plain)
        assert all(isinstance(layer, Int8Linear) for layer in plain)
        assert float((plain(states) - wanted).norm() / wanted.norm()) < 0.03


@pytest.mark.parametrize("name", PAIR)
@pytest.mark.parametrize("dtype", ["int8", "bfloat16"])
def test_a_compressed_model_acts_nearly_as_before(
    prompts: list[Prompt], name: str, dtype: str
) -> None:
    plain, small = in_format(name, "float32"), in_format(name, dtype)
    before, after = plain.act(prompts), small.act(prompts)
    assert len(before) == 100
    agree = np.mean([a.action == b.action for a, b in zip(before, after, strict=True)])
    assert agree >= AGREE
    for a, b in zip(before, after, strict=True):
        assert a.embedding is not None and b.embedding is not None
        assert b.embedding.dtype == np.float32 and b.embedding.shape == (small.embedding_size,)
        assert cosine(a.embedding, b.embedding) > 0.99
        assert b.usage.flops == a.usage.flops > 0
    assert size(small) < size(plain)


def test_an_answer_does_not_depend_on_the_prompts_beside_it(prompts: list[Prompt]) -> None:
    lm = in_format(PAIR[1], "int8")
    for prompt, beside in zip(prompts[:5], lm.act(prompts), strict=False):
        (alone,) = lm.act([prompt])
        assert alone.action == beside.action
        assert alone.logprob == pytest.approx(beside.logprob, abs=0.02)


def test_a_model_in_int8_generates_too(prompts: list[Prompt]) -> None:
    plain, small = (
        load_model(PAIR[1], dtype=dtype, choose="generate") for dtype in ("float32", "int8")
    )
    pairs = zip(plain.act(prompts[:20]), small.act(prompts[:20]), strict=True)
    assert np.mean([a.action == b.action for a, b in pairs]) >= 0.9


def test_no_format_is_taken_for_another() -> None:
    made = [in_format(PAIR[0], dtype) for dtype in ("float32", "bfloat16", "int8", "int8")]
    *different, again = [lm.fingerprint for lm in made]
    assert len(set(different)) == 3 and again == different[-1]


@pytest.mark.parametrize("kind", ["llama", "mixtral", "gpt2"])
def test_a_causal_model_in_int8(
    demonstrations: list[Demonstration], tmp_path: Path, kind: str
) -> None:
    states = [prompt for episode in demonstrations for prompt, _ in episode.examples(3)][:30]
    tokenizer = learn_tokenizer([state.text() for state in states], (), 300)
    torch.manual_seed(0)
    model = KINDS[kind](len(tokenizer))
    for weight in model.parameters():
        if weight.ndim == 2:  # far enough from uniform that a choice is one
            nn.init.normal_(weight, std=0.3)
    CausalModel(model, tokenizer, "tiny").save(tmp_path)
    plain, small = (
        load_transformer(str(tmp_path), backend="torch", dtype=dtype)
        for dtype in ("float32", "int8")
    )
    before, after = plain.act(states), small.act(states)
    assert np.mean([a.action == b.action for a, b in zip(before, after, strict=True)]) >= 0.9
    near = []
    for a, b in zip(before, after, strict=True):
        assert a.embedding is not None and b.embedding is not None
        near.append(cosine(a.embedding, b.embedding))
        assert b.usage.flops == a.usage.flops > 0
    assert np.mean(near) > 0.98  # random weights make more of a rounding than learned ones
    assert size(small) < size(plain) and small.fingerprint != plain.fingerprint


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "auto"])
def test_int8_elsewhere_than_on_a_cpu_is_refused_in_one_line(device: str) -> None:
    with pytest.raises(InvalidConfig, match=f"dtype: int8 runs on .* cpu only, got '{device}'"):
        load_model(PAIR[0], dtype="int8", device=device)


def test_a_model_in_int8_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is in int8; load it in another dtype"):
        in_format(PAIR[0], "int8").save(tmp_path)
    assert not any(tmp_path.iterdir())
