"""Token ids, and the Transformer that reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from londi.encoders.tokens import TokenEncoder, TokenTrunk
from londi.envs.prompt import Prompt
from londi.models.hf.seq2seq import Seq2SeqModel

MakeLM = Callable[..., Seq2SeqModel]


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
