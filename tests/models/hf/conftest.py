"""What the tests of Hugging Face models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from londi.envs.prompt import Prompt
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.causal import CausalModel
from londi.models.registry import load_transformer
from models.hf.tiny import KINDS, TOKENIZERS, UNEVEN, MakeCausal


@pytest.fixture(scope="module")
def make_causal(
    demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory
) -> MakeCausal:
    """Make a tiny model with random weights, saved and loaded again, on torch."""
    texts = [p.text() for e in demonstrations for p, _ in e.examples(3)]
    folders: dict[Any, Path] = {}

    def make(
        kind: str = "llama", reads: str = "like_gpt2", chat: str | None = None, **settings: Any
    ) -> CausalModel:
        key = kind, reads, chat
        if key not in folders:
            tokenizer = TOKENIZERS[reads](texts)
            if chat:
                tokenizer.chat_template = chat
                tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
            torch.manual_seed(0)
            model = KINDS[kind](len(tokenizer))
            for parameter in model.parameters():
                if parameter.ndim == 2:  # far enough from uniform that a mistake shows
                    torch.nn.init.normal_(parameter, std=0.3)
            folders[key] = tmp_path_factory.mktemp(kind)
            CausalModel(model, tokenizer, "tiny").save(folders[key])
        lm = load_transformer(str(folders[key]), **{"backend": "torch"} | settings)
        assert isinstance(lm, CausalModel)
        return lm

    return make


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States of different lengths."""
    states = [prompt for episode in demonstrations[:3] for prompt, _ in episode.examples(3)][:8]
    return [Prompt(p.goal, UNEVEN, p.observations, p.past) for p in states]
