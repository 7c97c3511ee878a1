"""Hugging Face models as players: seq2seq and causal, scored or generated.

This package knows transformers and tokenizers. It does not know environments or switching.
"""

import os

# A few prompts are not worth threads of the tokenizer's own, which compete with those that
# `threads` counts. The library reads this when it first encodes a batch.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
