"""Encoders by name, and what each needs of the two models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from londi.encoders.base import ConfidenceEncoder, NoEncoder
from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.registry import make_encoder
from londi.encoders.tokens import TokenEncoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, UnknownName
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel

MakeLM = Callable[..., Seq2SeqModel]


def wrapped(model: LanguageModel) -> LanguageModel:
    """As a run has it: behind a stop-watch, and behind the cache where it may be."""
    metered = MeteredModel(model)
    return metered if metered.fingerprint is None else CachedModel(metered, AnswerStore())


def test_every_encoder_makes_the_trunk_of_its_features(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_lm()
    replies = lm.act(prompts)
    for spec in ("none", "confidence", "quick", "transformer"):
        encoder = make_encoder(spec, lm, lm)
        features = encoder.encode(prompts, replies)
        assert features.shape == (6, encoder.size) and features.dtype == np.float32
        observed = np.concatenate([features, np.ones((6, 2), np.float32)], 1)
        assert encoder.trunk(2, 9)(torch.from_numpy(observed)).shape == (6, 9)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("none", NoEncoder),
        ("confidence", ConfidenceEncoder),
        ("quick", QuickEncoder),
        ("quick-words", QuickWordsEncoder),
        ("transformer", TokenEncoder),
    ],
)
def test_an_encoder_can_be_made_again_from_its_spec(make_lm: MakeLM, spec: str, kind: type) -> None:
    lm = wrapped(make_lm())
    encoder = make_encoder(spec, lm, lm)
    assert type(encoder) is kind and encoder.spec == spec
    again = make_encoder(encoder.spec, lm, lm)
    assert type(again) is kind and again.size == encoder.size


@pytest.mark.parametrize(
    ("spec", "nearest"),
    [
        ("quik", "quick"),
        ("Transformer", "transformer"),
        ("transfomer", "transformer"),
        ("sentence", "sentence:<model>"),
    ],
)
def test_an_unknown_encoder_suggests_the_nearest(spec: str, nearest: str) -> None:
    with pytest.raises(UnknownName) as caught:
        make_encoder(spec, RandomModel(), RandomModel())
    assert str(caught.value) == f"unknown encoder {spec!r}; did you mean {nearest!r}?"


@pytest.mark.parametrize("quick", [RandomModel(), ExpertModel()])
def test_quicks_states_need_a_quick_that_has_some(make_lm: MakeLM, quick: LanguageModel) -> None:
    # That DEEPTHINK has states is no help.
    with pytest.raises(InvalidConfig, match="needs a QUICK that") as caught:
        make_encoder("quick", wrapped(quick), wrapped(make_lm()))
    assert repr(quick.name) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("has_one", ["quick", "deepthink"])
def test_the_transformer_takes_the_tokenizer_of_whichever_model_has_one(
    make_lm: MakeLM, prompts: list[Prompt], has_one: str
) -> None:
    lm = make_lm()
    pair = [wrapped(lm), wrapped(RandomModel())]
    quick, deepthink = pair if has_one == "quick" else pair[::-1]
    row = make_encoder("transformer", quick, deepthink).encode(prompts[:1], [])[0]
    ids = lm.tokenizer(prompts[0].text())["input_ids"][-128:]
    assert row[: len(ids)].tolist() == [token + 1 for token in ids]


def test_quicks_tokenizer_comes_first(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    large, small = make_lm(), make_lm(config={"vocabulary": 262})
    rows = {
        name: make_encoder("transformer", wrapped(quick), wrapped(deepthink)).encode(prompts, [])
        for name, quick, deepthink in (("large", large, small), ("small", small, large))
    }
    for name, lm in (("large", large), ("small", small)):
        ids = lm.tokenizer(prompts[0].text())["input_ids"][-128:]
        assert rows[name][0][: len(ids)].tolist() == [token + 1 for token in ids]
    assert not np.array_equal(rows["large"], rows["small"])


def test_without_any_tokenizer_there_is_no_transformer() -> None:
    with pytest.raises(InvalidConfig, match="tokenizer") as caught:
        make_encoder("transformer", wrapped(RandomModel()), wrapped(ExpertModel()))
    assert "'random' and 'expert'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_quicks_width_is_found_behind_its_wrappers(make_lm: MakeLM) -> None:
    narrow, wide = make_lm(config={"d_model": 8}), make_lm()
    assert make_encoder("quick", wrapped(narrow), wrapped(wide)).size == 8 + 27
    assert make_encoder("quick", wrapped(wide), wrapped(narrow)).size == 16 + 27


class NoSize(NoEncoder):
    @property
    def size(self) -> int:  # type: ignore[override]
        raise RuntimeError("not known yet")


class Half(NoEncoder):
    size = 0.5  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("RandomModel", "expected one that derives from londi.encoders.base.Encoder, got Random"),
        ("NoSize", "no size: RuntimeError: not known yet"),
        ("Half", "expected a size >= 0, got 0.5"),
    ],
)
def test_a_users_encoder_that_is_none_is_refused(name: str, said: str) -> None:
    spec = f"{__name__}:{name}"
    with pytest.raises(InvalidConfig) as caught:
        make_encoder(spec, wrapped(RandomModel()), wrapped(RandomModel()))
    assert str(caught.value).startswith(f"encoder {spec!r}: {said}")
