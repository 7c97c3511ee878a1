"""A tokenizer learned from prompts, and the model that starts from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers.models.t5.modeling_t5 import T5Attention

from londi.config import FinetuneConfig
from londi.imitation.tokenizer import learn_tokenizer, new_model

TEXTS = ["go to the red ball, You see a red ball 2 steps forward"] * 20


def parts(text: str, phrases: tuple[str, ...] = (), vocabulary: int = 300) -> list[str]:
    """The tokens of a text, as text."""
    tokenizer = learn_tokenizer(TEXTS, phrases, vocabulary)
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


def test_frequent_words_become_one_token_and_a_text_ends_with_the_end() -> None:
    assert parts("go to a red ball") == ["go", " to", " a", " red", " ball", "</s>"]


def test_a_phrase_becomes_one_token_where_it_is_asked_for() -> None:
    assert parts(" red ball") == [" red", " ball", "</s>"]
    assert parts(" red ball", (r" \w+ ball",)) == [" red ball", "</s>"]


@pytest.mark.parametrize("text", ["zigzag", "größer", "a  b\n\tc", "", "red</s>ball"])
def test_any_text_can_be_read_and_written_again(text: str) -> None:
    tokenizer = learn_tokenizer(TEXTS, (), 300)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text + "</s>"


def test_the_vocabulary_is_no_larger_than_it_may_be() -> None:
    assert len(learn_tokenizer(TEXTS, (), 270)) == 270
    # Bytes and special tokens are always there.
    assert len(learn_tokenizer(TEXTS, (), 1)) == 256 + 3
    assert len(learn_tokenizer(TEXTS, (), 10_000)) < 400


def test_an_end_within_a_text_is_no_part_of_a_token() -> None:
    tokenizer = learn_tokenizer(["one</s>two</s>"] * 20, (), 400)
    whole = set(tokenizer.get_vocab())
    assert {"one", "two"} <= whole
    assert not any("</" in token for token in whole - {"</s>"})


def test_pad_end_and_unknown_come_first() -> None:
    tokenizer = learn_tokenizer(TEXTS, (), 300)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)


def test_a_new_model_has_the_configured_shape(tiny_config: FinetuneConfig) -> None:
    tokenizer = learn_tokenizer(TEXTS, (), 300)
    config = replace(tiny_config, d_model=24, d_ff=40, heads=3, layers=2, decoder_layers=1)
    shape = new_model(config, tokenizer).config
    assert (shape.d_model, shape.d_kv, shape.d_ff, shape.num_heads) == (24, 8, 40, 3)
    assert (shape.num_layers, shape.num_decoder_layers) == (2, 1)
    assert shape.vocab_size == len(tokenizer)
    assert (shape.decoder_start_token_id, shape.pad_token_id, shape.eos_token_id) == (0, 0, 1)
    assert shape.dropout_rate == config.dropout


def test_a_phrase_starts_as_the_sum_of_its_words(tiny_config: FinetuneConfig) -> None:
    texts = ["go to the red ball", "a red key", "a ball"] * 20
    tokenizer = learn_tokenizer(texts, (r" \w+ ball",), 400)
    torch.manual_seed(0)
    embedding = new_model(tiny_config, tokenizer).shared.weight.detach()

    def meaning(text: str) -> torch.Tensor:
        (token,) = tokenizer(text, add_special_tokens=False)["input_ids"]
        return embedding[token]

    phrase, first, second = meaning(" red ball"), meaning(" red"), meaning(" ball")
    torch.testing.assert_close(phrase, (first + second) / 2**0.5)
    assert not torch.allclose(first, second)


def test_queries_start_equal_to_keys(tiny_config: FinetuneConfig) -> None:
    model = new_model(tiny_config, learn_tokenizer(TEXTS, (), 300))
    layers = [module for module in model.modules() if isinstance(module, T5Attention)]
    # Two of the encoder, and one of the decoder that attends to itself and to the encoder.
    assert len(layers) == 2 + 2
    for layer in layers:
        width = layer.key_value_proj_dim**0.5
        torch.testing.assert_close(layer.q.weight * width, layer.k.weight)


def test_the_same_seed_makes_the_same_model(tiny_config: FinetuneConfig) -> None:
    tokenizer = learn_tokenizer(TEXTS, (), 300)

    def made(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        state: dict[str, torch.Tensor] = new_model(tiny_config, tokenizer).state_dict()
        return state

    one, again, other = made(0), made(0), made(1)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
