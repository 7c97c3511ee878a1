"""Tiny causal models with random weights, and tokenizers that part a text in different ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
)

from londi.imitation.demonstrations import Demonstration
from londi.imitation.tokenizer import learn_tokenizer
from londi.models.hf.causal import CausalModel

MakeCausal = Callable[..., CausalModel]

# Words that the tokenizer knows, and words that it has to spell.
UNEVEN = ("turn left", "go forward", "pick up", "zigzag quickly around", "x")


CHAT = (
    "{% for said in messages %}<{{ said['role'] }}> {{ said['content'] }} <turn> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% if enable_thinking is not defined or"
    " enable_thinking %}<think> {% endif %}{% endif %}"
)


SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "eos_token_id": 1,
}


KINDS: dict[str, Callable[[int], Any]] = {
    # Rotary positions and shared keys; a window shorter than a prompt; experts; layers that keep
    # other things than keys and values; learned positions; no positions.
    "llama": lambda size: LlamaForCausalLM(LlamaConfig(vocab_size=size, **SMALL)),
    "mistral": lambda size: MistralForCausalLM(
        MistralConfig(vocab_size=size, sliding_window=8, **SMALL)
    ),
    "mixtral": lambda size: MixtralForCausalLM(
        MixtralConfig(vocab_size=size, num_local_experts=4, num_experts_per_tok=2, **SMALL)
    ),
    "lfm2": lambda size: Lfm2ForCausalLM(
        Lfm2Config(vocab_size=size, layer_types=["conv", "full_attention"], **SMALL)
    ),
    "gpt2": lambda size: GPT2LMHeadModel(
        GPT2Config(vocab_size=size, eos_token_id=1, n_embd=32, n_layer=2, n_head=4, n_positions=512)
    ),
    "bloom": lambda size: BloomForCausalLM(
        BloomConfig(vocab_size=size, eos_token_id=1, hidden_size=32, n_layer=2, n_head=4)
    ),
}


def merging(texts: list[str]) -> Any:
    """Has one token for a colon and a space, adds an end token, and has one to pad with."""
    return learn_tokenizer(texts, (), 300)


def like_gpt2(texts: list[str]) -> Any:
    """Spaces begin words; nothing is added, and nothing to pad with."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def like_llama2(texts: list[str]) -> Any:
    """Every text begins with a space of its own, behind a start token; nothing to pad with."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "</s>", "<s>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([*texts, *UNEVEN], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


TOKENIZERS = {make.__name__: make for make in (merging, like_gpt2, like_llama2)}


def causal(config: Any, make: Any, demonstrations: list[Demonstration], folder: Path) -> None:
    """Save a tiny causal model with random weights."""
    texts = [p.text() for e in demonstrations for p, _ in e.examples(3)]
    tokenizer = learn_tokenizer(texts, (), 300)
    torch.manual_seed(0)
    model = make(config(vocab_size=len(tokenizer)))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    CausalModel(model, tokenizer, "tiny").save(folder)
