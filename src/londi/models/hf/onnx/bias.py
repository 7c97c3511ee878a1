"""Relative position biases read from a table, in place of being computed anew in each pass.

This file knows the attention of T5 and its kin. It does not know ONNX.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

ROOM = 8
"""Tokens by which padding can lengthen a text beyond its bound."""


class RelativeBias:
    """The biases of a stack of layers, by the distance between two tokens.

    Args:
        stack: an encoder or a decoder.
        longest: most tokens of a text.

    Attributes:
        whole: whether there are such biases, and all of them depend on that distance alone; the
            biases of attention to blocks of a text (LongT5) do not.
    """

    def __init__(self, stack: nn.Module, longest: int) -> None:
        parts: list[Any] = [
            part for part in stack.modules() if getattr(part, "has_relative_attention_bias", False)
        ]
        plain = [_of_distance(part) for part in parts]
        self.whole = bool(parts) and all(plain)
        self._tables: list[tuple[Any, Tensor]] = []
        if not self.whole:
            return
        for part in parts:
            # From some distance on all biases are equal.
            reach = max(longest, part.relative_attention_max_distance) + ROOM
            with torch.no_grad():
                behind = part.compute_bias(reach, 1)[0, :, :, 0]  # [H, reach], by how far behind
                ahead = part.compute_bias(1, reach)[0, :, 0]
            self._tables.append((part, torch.cat([behind.flip(1), ahead[:, 1:]], 1)))

    @contextmanager
    def at(self, positions: Tensor) -> Iterator[None]:
        """Let tokens attend to each other by the differences of their `positions`.

        Args:
            positions: those of all texts `[N]`, or of each `[B, N]`.
        """
        if not self.whole:
            yield
            return
        distance = positions[..., None, :] - positions[..., :, None]  # [N, N] or [B, N, N]
        for part, table in self._tables:
            reach = (table.shape[1] + 1) // 2
            bias = table[:, (distance + reach - 1).clamp(0, 2 * reach - 2)]
            bias = bias[None] if positions.ndim == 1 else bias.transpose(0, 1)  # [1 or B, H, N, N]
            part.compute_bias = lambda *lengths, bias=bias, **options: bias
        try:
            yield
        finally:
            for part, _ in self._tables:
                del part.compute_bias  # the class has its own


def _of_distance(part: Any) -> bool:
    return "query_length" in inspect.signature(part.compute_bias).parameters
