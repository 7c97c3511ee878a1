"""Frozen encoders by other models: any Hugging Face model or sentence-transformers model.

This file knows those libraries, and no cost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, MissingExtra
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


_READ = ["*.json", "*.jsonl", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.safetensors"]
"""Files of a sentence model: settings, words and weights, and neither code nor pickles."""


class SentenceEncoder(Encoder):
    """A sentence-transformers model, frozen; weights only as safetensors, and no code of its own.

    Args:
        name: folder, or name on the Hugging Face Hub; without an owner it is one of the library's
            own, such as ``all-MiniLM-L6-v2``.

    Raises:
        MissingExtra: if sentence-transformers is not installed.
        ModelError: if there is no such model.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "sentence") from error
        from huggingface_hub import snapshot_download

        from londi.models.hf.loading import check_kernels, loading

        with loading(name):
            folder = Path(name)
            if not folder.is_dir():
                hub = name if "/" in name else f"sentence-transformers/{name}"
                folder = Path(snapshot_download(hub, allow_patterns=_READ))
            if not any((folder / file).is_file() for file in ("modules.json", "config.json")):
                raise ValueError("there is no modules.json in the folder")
            for file in folder.rglob("*.json"):
                settings = json.loads(file.read_text(encoding="utf-8"))
                if isinstance(settings, dict):
                    check_kernels(settings)
            self._model = SentenceTransformer(
                str(folder), model_kwargs={"use_safetensors": True}, local_files_only=True
            )
        self.size = self.embedding = int(self._model.get_embedding_dimension() or 0)
        self.spec = f"sentence:{name}"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        texts = [prompt.text() for prompt in prompts]
        rows: np.ndarray = self._model.encode(texts, show_progress_bar=False)
        return rows.astype(np.float32)
