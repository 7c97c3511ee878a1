"""Linear layers in int8: weights are quantized once, activations at each pass.

Each token's activations have their own scale, so that an answer does not depend on the other
prompts of a batch. This file knows no language model.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

ROWS = 512
"""Rows of one multiplication, so few that the products stay in the processor's cache. This halves
the time of a pass over 4,000 tokens."""


class Int8Linear(nn.Module):
    """A linear layer with int8 weights and int8 inputs.

    Args:
        weight: weights of the layer that it replaces `[out, in]`.
        bias: bias of that layer `[out]`.

    Attributes:
        weight: whole numbers from -127 to 127 `[out, in]`.
        scale: factor from these whole numbers to weights, for each output `[out]`.
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
    """Replace every linear layer of `model` by an `Int8Linear`."""
    for name, module in [*model.named_modules(remove_duplicate=False)]:
        if type(module) in (nn.Linear, Conv1D):  # a subclass may compute something else
            # GPT-2's kind holds its weights the other way round.
            weight = module.weight.T if isinstance(module, Conv1D) else module.weight
            model.set_submodule(name, Int8Linear(weight, module.bias))


def _rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers `[N, D]`, and the factor of each row `[N, 1]`."""
    scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12) / 127
    return (rows / scale).round_().to(torch.int8), scale
