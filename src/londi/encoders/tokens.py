"""The paper's encoder: token ids, and a Transformer over them that is trained end to end.

This file knows a tokenizer, and no environment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.models.base import Tokenizer
from londi.types import Reply


class TokenEncoder(Encoder):
    """The paper's: a small Transformer and MLP over token ids, trained end to end.

    Args:
        tokenizer: a Hugging Face tokenizer, or what behaves like one.
        length: tokens kept; of a longer prompt the last ones.
        width: of the Transformer.
        layers: of the Transformer.
    """

    spec = "transformer"

    def __init__(
        self, tokenizer: Tokenizer, length: int = 128, width: int = 64, layers: int = 2
    ) -> None:
        self._tokenizer = tokenizer
        self._width = width
        self._layers = layers
        self.size = length

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        rows = np.zeros((len(prompts), self.size), np.float32)
        ids = self._tokenizer([prompt.text() for prompt in prompts])["input_ids"]
        for row, tokens in zip(rows, ids, strict=True):
            kept = tokens[-self.size :]
            row[: len(kept)] = np.asarray(kept) + 1  # 0 is padding
        return rows

    def trunk(self, extras: int, width: int) -> nn.Module:
        return TokenTrunk(
            len(self._tokenizer) + 1, self.size, extras, self._width, self._layers, width
        )


class TokenTrunk(nn.Module):
    """Transformer encoder over token ids (0 is padding), mean-pooled, then an MLP."""

    def __init__(
        self, vocabulary: int, length: int, extras: int, inner: int, layers: int, width: int
    ) -> None:
        super().__init__()
        self._length = length
        self.tokens = nn.Embedding(vocabulary, inner)
        self.positions = nn.Parameter(torch.randn(length, inner) * 0.02)
        layer = nn.TransformerEncoderLayer(
            inner, 4, 4 * inner, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Sequential(
            nn.Linear(inner + extras, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, observation: Tensor) -> Tensor:
        ids, extras = observation[:, : self._length].long(), observation[:, self._length :]
        ids = ids[:, : max(1, int((ids > 0).sum(1).max()))]  # no work on common padding
        padding = ids == 0
        # An all-padding row (an observation that is not there) must not turn into NaN.
        padding = padding & ~padding.all(1, keepdim=True)
        states = self.encoder(
            self.tokens(ids) + self.positions[: ids.shape[1]], src_key_padding_mask=padding
        )
        weights = (~padding).unsqueeze(-1).to(states.dtype)
        pooled = (states * weights).sum(1) / weights.sum(1)
        out: Tensor = self.head(torch.cat([pooled, extras], 1))
        return out
