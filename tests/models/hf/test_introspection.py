"""Weights counted by hand, and what of a tokenizer counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn
from transformers import ByT5Tokenizer

from londi.models.hf.introspection import matrix_weights, tokenizer_settings
from londi.models.hf.seq2seq import Seq2SeqModel
from models.hf.tiny import KINDS, MakeCausal

TOKENS = 300

# The tiny models have states of 32 numbers and two layers. Llama's attention has 4 heads of 8
# numbers, and keys and values of 2 heads; its feed-forward part has 64 numbers within.
QUERIES_AND_OUT = 2 * 32 * 32
KEYS_AND_VALUES = 2 * 32 * 16
FORWARD = 3 * 32 * 64
LLAMA = 2 * (QUERIES_AND_OUT + KEYS_AND_VALUES + FORWARD)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("llama", LLAMA),
        ("mistral", LLAMA),
        # Two of four experts are asked, whom a matrix of 32 x 4 chooses.
        ("mixtral", LLAMA + 2 * (FORWARD + 32 * 4)),
        # Queries, keys and values of 32 each, what joins the heads, and 4 x 32 numbers within.
        ("gpt2", 2 * (3 * 32 * 32 + 32 * 32 + 2 * 32 * 128)),
        ("bloom", 2 * (3 * 32 * 32 + 32 * 32 + 2 * 32 * 128)),
    ],
)
def test_the_matrices_of_a_decoder(kind: str, weights: int) -> None:
    model = KINDS[kind](TOKENS)
    assert matrix_weights(model.get_decoder(), model.get_output_embeddings()) == weights


def test_the_head_is_left_out_and_embeddings_are_looked_up() -> None:
    model = KINDS["llama"](TOKENS)
    head = model.get_output_embeddings()
    assert head.weight.numel() == 32 * TOKENS
    assert matrix_weights(model, head) == LLAMA
    assert matrix_weights(model, nn.Identity()) == LLAMA + 32 * TOKENS


def test_vectors_are_no_matrices(make_lm: Callable[..., Seq2SeqModel]) -> None:
    """Norms and biases are added or scaled by, one number each."""
    encoder = make_lm().model.get_encoder()
    before = matrix_weights(encoder, nn.Identity())
    encoder.extra = nn.Linear(10, 7)
    assert matrix_weights(encoder, nn.Identity()) == before + 70
    encoder.norm = nn.LayerNorm(10)
    assert matrix_weights(encoder, nn.Identity()) == before + 70


def test_padding_and_truncation_of_the_last_call_do_not_count(make_causal: MakeCausal) -> None:
    tokenizer = make_causal().tokenizer
    before = tokenizer_settings(tokenizer)
    tokenizer(["a", "a b"], padding=True, truncation=True, max_length=1)
    assert tokenizer_settings(tokenizer) == before


def test_tokenizers_that_part_texts_otherwise_differ(make_causal: MakeCausal) -> None:
    first, second, again = (
        tokenizer_settings(make_causal(reads=reads).tokenizer)
        for reads in ("like_gpt2", "like_llama2", "like_gpt2")
    )
    assert first == again != second


def test_an_added_token_counts(make_causal: MakeCausal) -> None:
    tokenizer = make_causal().tokenizer
    before = tokenizer_settings(tokenizer)
    tokenizer.add_tokens(["<door>"])
    assert tokenizer_settings(tokenizer) != before


def test_a_tokenizer_without_a_fast_backend_is_its_class_vocabulary_and_special_tokens() -> None:
    plain, other, fewer = (
        ByT5Tokenizer(),
        ByT5Tokenizer(eos_token="<end>"),
        ByT5Tokenizer(extra_ids=5),
    )
    found = tokenizer_settings(plain)
    assert found["class"] == "ByT5Tokenizer" and found["special"]["eos_token"] == "</s>"
    assert found["vocab"]["a"] == ord("a") + 3  # behind three special tokens
    assert found == tokenizer_settings(ByT5Tokenizer())
    assert tokenizer_settings(other) != found != tokenizer_settings(fewer)
