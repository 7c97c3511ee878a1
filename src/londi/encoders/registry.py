"""How a text state becomes the vector that the Switcher sees.

An encoder is two things: features `[B, size]` of a batch of prompts, made once and stored in
the replay buffer, and a trunk, the part of the network that reads them. Frozen encoders make
rich features for a plain trunk; the paper's Transformer makes token ids for a trunk that is
trained. This file knows no environment and no cost.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from londi.envs.prompt import HISTORY, Prompt
from londi.errors import InvalidConfig, MissingExtra, ModelError, UnknownName
from londi.models.base import LanguageModel, unwrap
from londi.models.registry import load_model
from londi.types import Reply

SHARE, COST, STEPS, REPEATS = range(4)
"""Places, behind the features of an observation, of the share of the budget left, of c, and of how
long and how often round the episode has gone (`SwitchingVectorEnv`)."""

EXTRAS = 4
"""How many numbers that are."""


class Encoder(ABC):
    """Features of prompts, and a network that reads them.

    Attributes:
        size: features of a prompt.
        reads_quick: whether the features come from QUICK's replies, so that QUICK has to be
            asked at every step.
        spec: how `make_encoder` can make it again.
    """

    size: int
    reads_quick = False
    spec: str

    @abstractmethod
    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        """float32 `[len(prompts), size]`; `replies` is empty unless `reads_quick`."""

    def trunk(self, extras: int, width: int) -> nn.Module:
        """A new network from `[B, size + extras]` to `[B, width]`."""
        return FeatureTrunk(self.size, extras, width)


class FeatureTrunk(nn.Module):
    """Normalise the features, append what else is observed, two hidden layers."""

    def __init__(self, size: int, extras: int, width: int) -> None:
        super().__init__()
        self._size = size
        self.norm = nn.LayerNorm(size) if size > 1 else nn.Identity()
        self.layers = nn.Sequential(
            nn.Linear(size + extras, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, observation: Tensor) -> Tensor:
        features, extras = observation[:, : self._size], observation[:, self._size :]
        out: Tensor = self.layers(torch.cat([self.norm(features), extras], 1))
        return out


class NoEncoder(Encoder):
    """Sees nothing of the text: for Switchers that do not look."""

    size = 0
    spec = "none"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.zeros((len(prompts), 0), np.float32)


class ConfidenceEncoder(Encoder):
    """QUICK's probability of its own choice: for the threshold on its uncertainty."""

    size = 1
    reads_quick = True
    spec = "confidence"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.array([[reply.confidence] for reply in replies], np.float32)


class ProgressEncoder(Encoder):
    """By how much the last action changed the score, where a prompt says so: for rules."""

    size = 1
    spec = "progress"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        gains = [getattr(prompt, "gains", ())[-1:] for prompt in prompts]
        return np.array([[float(sum(gain))] for gain in gains], np.float32)


class QuickEncoder(Encoder):
    """QUICK's own embedding of the prompt, and a little of what it does not show; all frozen.

    It falls out of the call that QUICK makes anyhow where it acts, so that the Switcher's own
    decision is a small network's. Behind it come the log-odds of QUICK's choice; which
    of the possible actions that is, one-hot (zeros for those beyond the first `CHOICES`; where any
    text is an action, its first word falls into one of as many bins); and for each of the two
    earlier steps, as far as the prompt holds them, the action done then, one-hot, and whether the
    same was observed then: a player that goes in circles sees its own past.

    Args:
        width: of QUICK's embedding.
    """

    CHOICES = 8

    reads_quick = True
    spec = "quick"

    def __init__(self, width: int) -> None:
        self._width = width
        self.size = width + 1 + self.CHOICES + (HISTORY - 1) * (self.CHOICES + 1)

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        rows = np.zeros((len(replies), self.size), np.float32)
        for row, prompt, reply in zip(rows, prompts, replies, strict=True):
            row[: self._width] = reply.embedding
            row[self._width] = _log_odds(reply.confidence)
            self._mark(row[self._width + 1 :], prompt, reply.action)
            now = prompt.observations[-1]
            earlier = zip(prompt.past[::-1], prompt.observations[-2::-1], strict=True)
            for k, (action, observation) in enumerate(islice(earlier, HISTORY - 1), start=1):
                place = row[self._width + k * (self.CHOICES + 1) :]
                place[0] = observation == now
                self._mark(place[1:], prompt, action)
        return rows

    def _mark(self, place: np.ndarray, prompt: Prompt, action: str) -> None:
        known = prompt.actions[: self.CHOICES]
        if action in known:
            place[known.index(action)] = 1.0
        elif action.strip() and not known:
            verb = action.split(maxsplit=1)[0]
            place[crc32(verb.encode()) % self.CHOICES] = 1.0


class QuickWordsEncoder(QuickEncoder):
    """`QuickEncoder`, and the words of QUICK's choice: for actions that are written, not listed.

    Each word adds 1 or -1, by its hash, to one of `WORDS` numbers (feature hashing,
    arXiv 0902.2206).

    Args:
        width: of QUICK's embedding.
    """

    WORDS = 64

    spec = "quick-words"

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.size += self.WORDS

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        rows = super().encode(prompts, replies)
        for row, reply in zip(rows[:, -self.WORDS :], replies, strict=True):
            for word in reply.action.split():
                place, sign = divmod(crc32(word.encode()), 2)
                row[place % self.WORDS] += 1.0 - 2.0 * sign
        return rows


def _log_odds(confidence: float) -> float:
    """Of the size of the other features, and sharp near 1, where a model's confidences crowd."""
    clear = min(max(confidence, 1e-4), 1 - 1e-4)
    return math.log(clear / (1 - clear))


class TokenEncoder(Encoder):
    """The paper's: a small Transformer and MLP over token ids, trained end to end.

    Args:
        tokenizer: a Hugging Face tokenizer.
        length: tokens kept; of a longer prompt the last ones.
        width: of the Transformer.
        layers: of the Transformer.
    """

    spec = "transformer"

    def __init__(self, tokenizer: Any, length: int = 128, width: int = 64, layers: int = 2) -> None:
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


class ModelEncoder(Encoder):
    """The embedding of the prompt by a language model that plays no part otherwise, frozen.

    Args:
        name: the model, as `load_model` takes it.

    Raises:
        LondiError: if there is no such model, or it gives no embedding.
    """

    def __init__(self, name: str) -> None:
        self._model: Any = load_model(name)
        if not hasattr(self._model, "embedding_size"):
            raise InvalidConfig(f"encoder: model {name!r} gives no embedding")
        self.size = self._model.embedding_size
        self.spec = f"model:{name}"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.stack([reply.embedding for reply in self._model.act(prompts)])


class SentenceEncoder(Encoder):
    """Any sentence-transformers model, frozen.

    Args:
        name: name or path of the model.

    Raises:
        MissingExtra: if sentence-transformers is not installed.
        ModelError: if there is no such model.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "sentence") from error
        try:
            self._model = SentenceTransformer(name)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or "no reason given"
            raise ModelError(f"cannot load a sentence model from {name!r}: {reason}") from error
        self.size = int(self._model.get_embedding_dimension() or 0)
        self.spec = f"sentence:{name}"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        texts = [prompt.text() for prompt in prompts]
        rows: np.ndarray = self._model.encode(texts, show_progress_bar=False)
        return rows.astype(np.float32)


ENCODERS = ("quick", "quick-words", "transformer", "model:<name>", "sentence:<model>")
"""What a learned Switcher's encoder may be called."""


def make_encoder(spec: str, quick: LanguageModel, deepthink: LanguageModel) -> Encoder:
    """The encoder that `spec` names, for a Switcher between `quick` and `deepthink`.

    Raises:
        UnknownName: if `spec` names none.
        InvalidConfig: if it needs what these models do not have.
    """
    if spec == "none":
        return NoEncoder()
    if spec == "confidence":
        return ConfidenceEncoder()
    if spec == "progress":
        return ProgressEncoder()
    if spec.startswith("sentence:"):
        return SentenceEncoder(spec.removeprefix("sentence:"))
    if spec.startswith("model:"):
        return ModelEncoder(spec.removeprefix("model:"))
    if spec not in ENCODERS:
        raise UnknownName("encoder", spec, ENCODERS)
    inner: list[Any] = [unwrap(quick), unwrap(deepthink)]
    if spec in ("quick", "quick-words"):
        if hasattr(inner[0], "embedding_size"):
            made = QuickEncoder if spec == "quick" else QuickWordsEncoder
            return made(inner[0].embedding_size)
        raise InvalidConfig(
            f"encoder: {spec!r} needs a QUICK that gives an embedding, got"
            f" {quick.name!r}; use 'transformer' or 'sentence:<model>'"
        )
    for model in inner:
        if hasattr(model, "tokenizer"):
            return TokenEncoder(model.tokenizer)
    raise InvalidConfig(
        f"encoder: 'transformer' needs a language model with a tokenizer, got {quick.name!r}"
        f" and {deepthink.name!r}; use 'sentence:<model>'"
    )
