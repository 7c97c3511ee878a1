"""Frozen encoders by other models: any Hugging Face model or sentence-transformers model.

This file knows those libraries, and no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, MissingExtra, ModelError
from londi.models.check import check_replies
from londi.models.registry import load_model
from londi.types import Reply


class ModelEncoder(Encoder):
    """The embedding of the prompt by a language model that plays no part otherwise, frozen.

    Args:
        name: the model, as `load_model` takes it.

    Raises:
        LondiError: if there is no such model, or it gives no embedding.
    """

    def __init__(self, name: str) -> None:
        self._model = load_model(name)
        if not self._model.embedding_size:
            raise InvalidConfig(f"encoder: model {name!r} gives no embedding")
        self.size = self.embedding = self._model.embedding_size
        self.spec = f"model:{name}"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        made = self._model.act(prompts)
        check_replies(self._model, prompts, made)
        return np.array([reply.embedding for reply in made], np.float32)


class SentenceEncoder(Encoder):
    """A sentence-transformers model, frozen.

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
        from londi.models.hf.loading import check_kernels

        try:
            if not Path(name).is_dir() or (Path(name) / "config.json").is_file():
                check_kernels(name)
            self._model = SentenceTransformer(name)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or "no reason given"
            raise ModelError(f"cannot load a sentence model from {name!r}: {reason}") from error
        self.size = self.embedding = int(self._model.get_embedding_dimension() or 0)
        self.spec = f"sentence:{name}"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        texts = [prompt.text() for prompt in prompts]
        rows: np.ndarray = self._model.encode(texts, show_progress_bar=False)
        return rows.astype(np.float32)
