"""Relative biases out of a table, against those that the attention computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf

from londi.models.hf.onnx.bias import RelativeBias
from models.hf.onnx.conftest import T5


def made(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(hf, f"{kind}Config")(vocab_size=40, **T5 | settings)
    return getattr(hf, f"{kind}ForConditionalGeneration")(config).eval()


@pytest.mark.parametrize("kind", ["T5", "UMT5"])
@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (32, 20), (8, 16)])
@torch.no_grad()
def test_a_bias_is_that_of_the_distance(kind: str, buckets: int, distance: int) -> None:
    settings = {
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": distance,
    }
    model = made(kind, **settings)
    for stack in (model.get_encoder(), model.get_decoder()):
        table = RelativeBias(stack, longest=5)
        assert table.whole
        parts = [m for m in stack.modules() if getattr(m, "has_relative_attention_bias", False)]
        # A text may be longer than was said: far tokens have the bias of the farthest.
        for length in (1, 5, 200):
            plain = [part.compute_bias(length, length) for part in parts]
            with table.at(torch.arange(length)):
                for part, wanted in zip(parts, plain, strict=True):
                    assert torch.equal(part.compute_bias(length, length), wanted)
        # Positions need not be those of the places: two candidates behind one root.
        depth = torch.tensor([0, 1, 2, 1])
        (part, whole) = parts[0], parts[0].compute_bias(3, 3)
        with table.at(depth):
            assert torch.equal(part.compute_bias(4, 4), whole[:, :, depth][..., depth])
        assert "compute_bias" not in vars(part)


def test_attention_to_blocks_has_no_table() -> None:
    model = made("LongT5")
    assert not RelativeBias(model.get_encoder(), 5).whole
    assert RelativeBias(model.get_decoder(), 5).whole
