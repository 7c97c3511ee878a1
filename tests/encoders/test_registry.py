"""What the Switcher sees of a text, and the networks that read it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch

from londi.encoders.base import ConfidenceEncoder, FeatureTrunk, NoEncoder
from londi.encoders.pretrained import SentenceEncoder
from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.registry import make_encoder
from londi.encoders.tokens import TokenEncoder, TokenTrunk
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError, MissingExtra, UnknownName
from londi.imitation.demonstrations import Demonstration
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel
from londi.types import Reply, Usage

MakeLM = Callable[..., Seq2SeqModel]


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States whose texts differ in length."""
    return [prompt for episode in demonstrations for prompt, _ in episode.examples(3)][:6]


def reply(confidence: float, embedding: list[float] | None = None) -> Reply:
    vector = None if embedding is None else np.array(embedding, np.float32)
    return Reply("go forward", -1.0, confidence, Usage(), vector)


def wrapped(model: LanguageModel) -> LanguageModel:
    """As a run has it: behind a stop-watch, and behind the cache where it may be."""
    metered = MeteredModel(model)
    return metered if metered.fingerprint is None else CachedModel(metered, AnswerStore())


def small_trunk(length: int = 8, extras: int = 2) -> TokenTrunk:
    torch.manual_seed(0)
    return TokenTrunk(vocabulary=30, length=length, extras=extras, inner=16, layers=2, width=12)


def observations(*rows: list[int], length: int = 8, extras: int = 2) -> torch.Tensor:
    """Token ids, padded with 0, and some other numbers behind them."""
    out = torch.zeros(len(rows), length + extras)
    for row, ids in zip(out, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
        row[length:] = torch.linspace(0.25, 1, extras)
    return out


# Encoders that need no network.


def test_a_switcher_that_does_not_look_sees_nothing(prompts: list[Prompt]) -> None:
    encoder = NoEncoder()
    assert encoder.encode(prompts, []).shape == (6, 0) and encoder.size == 0
    assert not encoder.reads_quick


def test_the_confidence_is_quicks_own(prompts: list[Prompt]) -> None:
    encoder = ConfidenceEncoder()
    features = encoder.encode(prompts[:3], [reply(0.25), reply(1.0), reply(0.5)])
    assert features.dtype == np.float32
    assert features.tolist() == [[0.25], [1.0], [0.5]]
    assert encoder.size == 1 and encoder.reads_quick


def test_quicks_features_are_its_states_its_odds_and_its_choice() -> None:
    encoder = QuickEncoder(3)
    prompt = Prompt("go", ("left", "right"), ("a wall",))
    replies = [
        Reply("right", -0.1, 0.75, Usage(), np.array([1, 2, 3], np.float32)),
        Reply("jump", -0.1, 0.5, Usage(), np.array([-4, 5, 0], np.float32)),
    ]
    features = encoder.encode([prompt, prompt], replies)
    assert features.dtype == np.float32
    assert features[:, :3].tolist() == [[1, 2, 3], [-4, 5, 0]]
    assert features[:, 3].tolist() == pytest.approx([log(3), 0.0])  # 3 to 1, and even
    assert features[0, 4:12].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert not features[1, 4:].any()  # none of the possible actions, and no past
    assert encoder.size == 3 + 1 + 8 + 2 * 9 and encoder.reads_quick


def test_quicks_features_show_circles() -> None:
    encoder = QuickEncoder(1)
    prompt = Prompt("go", ("left", "right"), ("a wall", "a door", "a wall"), ("left", "right"))
    features = encoder.encode([prompt], [Reply("left", -0.1, 0.5, Usage(), np.zeros(1))])[0]
    before, two_before = features[10:19], features[19:28]
    assert before.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]  # a door then, left by going right
    assert two_before.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]  # the same wall, left by going left
    short = Prompt("go", ("left", "right"), ("a wall", "a wall"), ("left",))
    features = encoder.encode([short], [Reply("left", -0.1, 0.5, Usage(), np.zeros(1))])[0]
    assert features[10:].tolist() == [1, 1, *[0] * 16]


def test_a_choice_beyond_those_with_a_place_has_none() -> None:
    actions = tuple(f"use tool {k}" for k in range(20))
    prompt = Prompt("work", actions, ("a bench",))
    last = Reply(actions[19], -0.1, 0.5, Usage(), np.zeros(2, np.float32))
    assert not QuickEncoder(2).encode([prompt], [last])[0, 3:].any()


def test_a_free_text_is_known_by_its_first_word() -> None:
    def features(action: str) -> list[float]:
        # Eleven observations, of which two before the last have a place.
        seen = tuple(f"room {k}" for k in range(11))
        prompt = Prompt("work", (), seen, ("open door to hall",) * 10)
        rows = QuickEncoder(1).encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.zeros(1))])
        return list(rows[0, 2:].tolist())

    opening, going = features("open door to cellar"), features("go to cellar")
    assert sum(opening[:8]) == sum(going[:8]) == 1 and opening[:8] != going[:8]
    assert features("open fridge")[:8] == opening[:8]
    assert opening[8:] == [0, *opening[:8]] * 2  # what was done before was an opening, too
    assert features(" ")[:8] == [0] * 8


def test_the_words_of_a_free_text_are_seen() -> None:
    def words(action: str) -> np.ndarray:
        encoder = QuickWordsEncoder(2)
        prompt = Prompt("work", (), ("a bench",))
        rows = encoder.encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.ones(2))])
        assert rows.shape == (1, encoder.size)
        plain = QuickEncoder(2).encode([prompt], [Reply(action, -0.1, 0.5, Usage(), np.ones(2))])
        assert rows[0, :-64].tolist() == plain[0].tolist()
        return rows[0, -64:]

    hall, cellar = words("go to hall"), words("go to cellar")
    assert np.abs(hall).sum() == np.abs(cellar).sum() == 3
    assert 0 < np.abs(hall - cellar).sum() <= 2
    assert (words("to go hall") == hall).all() and not words("").any()


@pytest.mark.parametrize(("sure", "odds"), [(1.0, 9999), (0.99999, 9999), (0.0, 1 / 9999)])
def test_certainty_is_bounded(prompts: list[Prompt], sure: float, odds: float) -> None:
    features = QuickEncoder(1).encode(prompts[:1], [reply(sure, [0])])
    assert features[0, 1] == pytest.approx(log(odds), rel=1e-5)


def test_states_of_another_width_are_refused(prompts: list[Prompt]) -> None:
    with pytest.raises(ValueError):
        QuickEncoder(3).encode(prompts[:1], [reply(0.5, [1, 2])])


def test_quicks_features_of_a_real_model(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    replies = lm.act(prompts)
    features = make_encoder("quick", lm, lm).encode(prompts, replies)
    assert features.shape == (6, 16 + 1 + 8 + 18)  # d_model, the odds, the choice, the past
    for row, made in zip(features, replies, strict=True):
        assert made.embedding is not None
        np.testing.assert_array_equal(row[:16], made.embedding)
        sure = min(made.confidence, 0.9999)
        assert row[16] == pytest.approx(log(sure) - log(1 - sure), abs=1e-4)
    assert len(np.unique(features, axis=0)) == 6


# The trunk of frozen features.


@pytest.mark.parametrize(("size", "extras"), [(0, 2), (1, 0), (1, 2), (5, 0), (5, 2)])
def test_a_feature_trunk_reads_features_and_extras(size: int, extras: int) -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(size, extras, 7)
    base = torch.randn(3, size + extras)
    out = trunk(base)
    assert out.shape == (3, 7)
    for k in range(size + extras):
        changed = base.clone()
        changed[:, k] += 1
        assert not torch.equal(trunk(changed), out), f"number {k} is not read"


def test_features_are_normalised_and_extras_are_not() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(5, 2, 7)
    base = torch.randn(3, 7)
    louder = torch.cat([100 * base[:, :5] + 3, base[:, 5:]], 1)
    torch.testing.assert_close(trunk(louder), trunk(base), atol=1e-3, rtol=1e-3)
    louder = torch.cat([base[:, :5], 100 * base[:, 5:] + 3], 1)
    assert not torch.allclose(trunk(louder), trunk(base), atol=1e-1)


def test_a_single_feature_is_not_normalised_away() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(1, 2, 16)
    low, high = trunk(torch.tensor([[0.1, 1, 0], [0.9, 1, 0]]))
    assert not torch.equal(low, high)


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


# Token ids, and the Transformer that reads them.


def test_token_ids_are_shifted_by_one_and_padded_with_zeros(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_lm()
    rows = TokenEncoder(lm.tokenizer, length=400).encode(prompts, [])
    assert rows.shape == (6, 400) and rows.dtype == np.float32
    lengths = set()
    for row, prompt in zip(rows, prompts, strict=True):
        ids = lm.tokenizer(prompt.text())["input_ids"]
        assert len(ids) < 400
        assert row[: len(ids)].tolist() == [token + 1 for token in ids]
        assert not row[len(ids) :].any()
        lengths.add(len(ids))
    assert len(lengths) > 1


def test_of_a_long_prompt_the_last_tokens_are_kept(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    rows = TokenEncoder(lm.tokenizer, length=12).encode(prompts, [])
    for row, prompt in zip(rows, prompts, strict=True):
        kept = [int(token) - 1 for token in row]
        assert kept == lm.tokenizer(prompt.text())["input_ids"][-12:]
        text = lm.tokenizer.decode(kept, skip_special_tokens=True)
        assert prompt.text().endswith(text) and "Action" in text


@pytest.mark.parametrize("training", [True, False])
def test_padding_does_not_change_the_output(training: bool) -> None:
    # In evaluation torch takes another way through its Transformer.
    trunk = small_trunk().train(training)
    rows = ([3, 9], [4, 5, 6, 7, 8, 9, 10, 11], [7], [5, 6, 2, 2, 1])
    with torch.inference_mode(not training):
        together = trunk(observations(*rows))
        alone = torch.cat([trunk(observations(row)) for row in rows])
    assert together.shape == (4, 12)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_the_trunk_says_the_same_in_training_and_in_evaluation() -> None:
    trunk = small_trunk()
    batch = observations([3, 9], [4, 5, 6, 7, 8], [])
    trained = trunk.train()(batch)
    with torch.inference_mode():
        torch.testing.assert_close(trunk.eval()(batch), trained, atol=1e-5, rtol=1e-4)


def test_prompts_of_real_text_are_read_alone_as_in_a_batch(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    encoder = TokenEncoder(make_lm().tokenizer)
    torch.manual_seed(0)
    trunk = encoder.trunk(0, 8).eval().requires_grad_(False)
    rows = torch.from_numpy(encoder.encode(prompts, []))
    together = trunk(rows)
    alone = torch.cat([trunk(row[None]) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[5], atol=1e-3)


def test_every_token_its_place_and_the_extras_are_read() -> None:
    trunk = small_trunk()
    base = trunk(observations([3, 4, 5]))
    others = {
        "first token": trunk(observations([9, 4, 5])),
        "last token": trunk(observations([3, 4, 9])),
        "order": trunk(observations([5, 4, 3])),
        "length": trunk(observations([3, 4])),
    }
    changed = observations([3, 4, 5])
    changed[:, -1] = 0
    others["extras"] = trunk(changed)
    for what, other in others.items():
        assert not torch.allclose(other, base, atol=1e-5), what


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rows", [[[]], [[], [3, 4, 5]], [[], []]])
def test_a_row_of_padding_only_gives_finite_numbers(rows: list[list[int]], training: bool) -> None:
    trunk = small_trunk().train(training)
    with torch.inference_mode(not training):
        out = trunk(observations(*rows))
    assert out.shape == (len(rows), 12) and torch.isfinite(out).all()
    if training:
        out.sum().backward()
        for name, parameter in trunk.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_a_row_of_padding_only_leaves_its_neighbours_alone() -> None:
    trunk = small_trunk()
    torch.testing.assert_close(
        trunk(observations([], [3, 4, 5]))[1:], trunk(observations([3, 4, 5])), atol=1e-5, rtol=1e-4
    )


def test_gradients_reach_every_weight_and_the_tokens_that_were_read() -> None:
    trunk = small_trunk()
    trunk(observations([3, 4, 5], [6, 7, 8, 9, 10])).square().sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert trunk.tokens.weight.grad is not None
    read = trunk.tokens.weight.grad.abs().sum(1) > 0
    assert read.nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8, 9, 10]


def test_the_trunk_can_be_trained_to_tell_two_texts_apart() -> None:
    trunk = small_trunk()
    head = torch.nn.Linear(12, 1)
    optimizer = torch.optim.Adam([*trunk.parameters(), *head.parameters()], 1e-2)
    batch, wanted = observations([3, 4, 5], [5, 4, 3]), torch.tensor([[1.0], [-1.0]])
    for _ in range(60):
        loss = (head(trunk(batch)) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_every_token_of_the_tokenizer_has_a_place(make_lm: MakeLM) -> None:
    tokenizer = make_lm().tokenizer
    trunk = TokenEncoder(tokenizer, length=4).trunk(0, 8)
    last = torch.tensor([[float(len(tokenizer)), 1, 0, 0]])  # the highest id, shifted by one
    assert torch.isfinite(trunk(last)).all()


# By name.


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
