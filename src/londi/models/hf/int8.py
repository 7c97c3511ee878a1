"""Linear layers in int8: weights rounded once, activations as they come.

A token's activations have a scale of their own, so that what a model makes of a prompt does not
depend on the prompts beside it. This file knows no language model.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

ROWS = 512
"""Rows that are multiplied at a time: their products stay in the processor's cache. A pass over
4,000 tokens takes half the time."""


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, which rounds its inputs to int8 as well.

    Args:
        weight: of the layer that it stands in for `[out, in]`.
        bias: of the same `[out]`.

    Attributes:
        weight: whole numbers from -127 to 127 `[out, in]`.
        scale: what one of them is worth, for each output `[out]`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        whole, scale = _rounded(weight.detach())
        self.weight = nn.Parameter(whole, requires_grad=False)
        self.scale = nn.Parameter(scale.squeeze(1), requires_grad=False)
        self.bias = bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        rows = states.reshape(-1, states.shape[-1])
        out = rows.new_empty(len(rows), len(self.weight))
        for part, place in zip(torch.split(rows, ROWS), torch.split(out, ROWS), strict=True):
            whole, scale = _rounded(part)
            torch.mul(torch._int_mm(whole, self.weight.T), scale, out=place).mul_(self.scale)
        if self.bias is not None:
            out += self.bias
        return out.view(*states.shape[:-1], -1)


def to_int8(model: nn.Module) -> None:
    """Put an `Int8Linear` in the place of every linear layer of `model`."""
    for name, module in [*model.named_modules(remove_duplicate=False)]:
        if type(module) in (nn.Linear, Conv1D):  # and no kind of them with ways of its own
            # GPT-2's kind holds its weights the other way round.
            weight = module.weight.T if isinstance(module, Conv1D) else module.weight
            model.set_submodule(name, Int8Linear(weight, module.bias))


def _rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers `[N, D]`, and what one of each row is worth `[N, 1]`."""
    scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12) / 127
    return (rows / scale).round_().to(torch.int8), scale
