"""Models that play no part, read for their embedding."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from londi.encoders.pretrained import SentenceEncoder
from londi.encoders.registry import make_encoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError, MissingExtra
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.scripted import ExpertModel, RandomModel

MakeLM = Callable[..., Seq2SeqModel]


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None,
    reason="sentence-transformers is installed",
)
def test_a_sentence_encoder_names_the_extra_that_is_missing() -> None:
    for make in (
        lambda: SentenceEncoder("all-MiniLM-L6-v2"),
        lambda: make_encoder("sentence:all-MiniLM-L6-v2", RandomModel(), RandomModel()),
    ):
        with pytest.raises(MissingExtra, match=r"londi\[sentence\]") as caught:
            make()
        assert isinstance(caught.value, LondiError)
        assert len(str(caught.value).splitlines()) == 1


def test_a_model_that_plays_no_part_can_be_read(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    encoder = make_encoder(f"model:{lm.name}", RandomModel(), ExpertModel())
    features = encoder.encode(prompts, [])
    assert not encoder.reads_quick
    for row, reply in zip(features, lm.act(prompts), strict=True):
        assert reply.embedding is not None
        np.testing.assert_allclose(row, reply.embedding, atol=1e-5)


def test_a_player_without_weights_cannot_be_read() -> None:
    with pytest.raises(InvalidConfig, match="gives no embedding"):
        make_encoder("model:random", RandomModel(), ExpertModel())
