"""A tokenizer learned from prompts, and a new T5 that starts from it.

This file knows texts, and no environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from londi.config import FinetuneConfig


def learn_tokenizer(
    texts: Sequence[str], phrases: Sequence[str], vocabulary: int
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in which frequent phrases become single tokens.

    Args:
        texts: texts to learn from.
        phrases: regular expressions of the pieces that may become one token; the rest of a text is
            cut into words.
        vocabulary: largest number of tokens, bytes included.
    """
    pattern = "|".join([*phrases, r" ?\w+", r"[^\w]+"])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # In use a special token is cut out of a text before the rest is parted.
    tokenizer.train_from_iterator((part for text in texts for part in text.split("</s>")), trainer)
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def new_model(config: FinetuneConfig, tokenizer: PreTrainedTokenizerFast) -> Any:
    """A T5 of the configured shape, initialised so that attention measures similarity.

    A model this small would spend most of its training on learning which of the things in view is
    the one that the goal names. Therefore the embedding of a phrase starts as the sum of its words,
    and queries start equal to keys (as in mimetic initialisation, arXiv 2305.09828).
    """
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=config.d_model,
            d_kv=config.d_model // config.heads,
            d_ff=config.d_ff,
            num_layers=config.layers,
            num_decoder_layers=config.decoder_layers,
            num_heads=config.heads,
            dropout_rate=config.dropout,
            decoder_start_token_id=tokenizer.pad_token_id,  # type: ignore[call-arg]
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with torch.no_grad():
        words: dict[str, torch.Tensor] = {}
        for row in range(len(tokenizer)):
            text = str(tokenizer.decode([row])).replace(",", " ")
            parts = text.split() or [str(tokenizer.convert_ids_to_tokens(row))]
            for part in parts:
                words.setdefault(part, torch.randn(config.d_model))
            meaning = torch.stack([words[part] for part in parts]).sum(0)
            model.shared.weight[row] = meaning / len(parts) ** 0.5
        for module in model.modules():
            if isinstance(module, T5Attention):
                # T5 scales queries at the start instead of their products with the keys.
                module.q.weight.copy_(module.k.weight / module.key_value_proj_dim**0.5)
    return model
