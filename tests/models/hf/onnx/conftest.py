"""Tiny models of many families with random weights, each on torch and ready for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from londi.envs.prompt import Prompt
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.causal import CausalModel
from londi.models.hf.onnx import export
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import TransformerModel
from models.hf.tiny import KINDS, SMALL, UNEVEN, like_gpt2, merging

T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
HEADS = {**SMALL, "head_dim": 8}
NEOX = {key: SMALL[key] for key in SMALL if key != "num_key_value_heads"}
OPT = {
    "hidden_size": 32,
    "ffn_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "word_embed_proj_dim": 32,
    "eos_token_id": 1,
}

SEQ2SEQ: dict[str, Callable[[int], Any]] = {
    "t5": lambda n: hf.T5ForConditionalGeneration(hf.T5Config(vocab_size=n, **T5)),
    "t5-gated": lambda n: hf.T5ForConditionalGeneration(
        hf.T5Config(vocab_size=n, feed_forward_proj="gated-gelu", tie_word_embeddings=False, **T5)
    ),
    "mt5": lambda n: hf.MT5ForConditionalGeneration(hf.MT5Config(vocab_size=n, **T5)),
    "umt5": lambda n: hf.UMT5ForConditionalGeneration(hf.UMT5Config(vocab_size=n, **T5)),
    "longt5": lambda n: hf.LongT5ForConditionalGeneration(hf.LongT5Config(vocab_size=n, **T5)),
}
CAUSAL: dict[str, Callable[[int], Any]] = {
    "llama": KINDS["llama"],
    "gpt2": KINDS["gpt2"],
    "mistral": lambda n: hf.MistralForCausalLM(hf.MistralConfig(vocab_size=n, **SMALL)),
    "qwen2": lambda n: hf.Qwen2ForCausalLM(hf.Qwen2Config(vocab_size=n, **SMALL)),
    "qwen3": lambda n: hf.Qwen3ForCausalLM(hf.Qwen3Config(vocab_size=n, **HEADS)),
    "gemma2": lambda n: hf.Gemma2ForCausalLM(hf.Gemma2Config(vocab_size=n, **HEADS)),
    "phi3": lambda n: hf.Phi3ForCausalLM(hf.Phi3Config(vocab_size=n, pad_token_id=0, **SMALL)),
    "neox": lambda n: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(vocab_size=n, **NEOX)),
    "opt": lambda n: hf.OPTForCausalLM(hf.OPTConfig(vocab_size=n, **OPT)),
}
"""Families that run on ONNX Runtime."""

MakeModel = Callable[..., TransformerModel]


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of exported graphs of its own."""
    monkeypatch.setattr(export, "FOLDER", tmp_path / "graphs")
    return tmp_path / "graphs"


@pytest.fixture(scope="session")
def states(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States of different lengths: with the usual actions, with uneven ones and with none."""
    found = [prompt for episode in demonstrations for prompt, _ in episode.examples(3)][:12]
    uneven = [replace(prompt, actions=UNEVEN) for prompt in found[:4]]
    return [*found, *uneven, *(replace(prompt, actions=()) for prompt in found[:4])]


@pytest.fixture(scope="session")
def make_model(demonstrations: list[Demonstration]) -> MakeModel:
    """Make a model of a family; takes the settings of `TransformerModel`."""
    texts = [prompt.text() for episode in demonstrations for prompt, _ in episode.examples(3)]

    def make(family: str = "t5", build: Any = None, **settings: Any) -> TransformerModel:
        seq2seq = family in SEQ2SEQ
        tokenizer = (merging if seq2seq else like_gpt2)(texts)
        build = build or (SEQ2SEQ if seq2seq else CAUSAL)[family]
        torch.manual_seed(0)
        model = build(len(tokenizer))
        for weights in model.parameters():
            if weights.ndim == 2:  # far enough from uniform that a mistake shows
                torch.nn.init.normal_(weights, std=0.3)
        kind = Seq2SeqModel if model.config.is_encoder_decoder else CausalModel
        return kind(model, tokenizer, family, **settings)

    return make
