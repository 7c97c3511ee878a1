"""Facts read off a model and a tokenizer: weights that are multiplied, settings that count.

This file knows the library's classes. It does not know how an action is chosen.
"""

from __future__ import annotations

import json
from typing import Any

from torch import nn

from londi.types import StateDict


def tokenizer_settings(tokenizer: Any) -> StateDict:
    """Everything that a tokenizer's output depends on."""
    if tokenizer.is_fast:
        # Padding and truncation are as the last call left them.
        known: StateDict = json.loads(tokenizer.backend_tokenizer.to_str())
        return known | {"padding": None, "truncation": None}
    special = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
    return {"class": type(tokenizer).__name__, "vocab": tokenizer.get_vocab(), "special": special}


def matrix_weights(part: Any, head: nn.Module) -> int:
    """Number of weights in the matrices of `part` that a token is multiplied by, without `head`.

    In a mixture of experts, only as many experts count as are asked for one token.
    """
    asked = getattr(part.config.get_text_config(), "num_experts_per_tok", 1)
    total = 0
    for module in part.modules():
        if isinstance(module, nn.Embedding) or module is head:
            continue
        for weight in module.parameters(recurse=False):
            if weight.ndim == 2:
                total += weight.numel()
            elif weight.ndim == 3:  # one matrix an expert
                total += weight.numel() // len(weight) * asked
    return total
