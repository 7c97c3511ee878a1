"""Hugging Face models as players: seq2seq and causal, scored or generated.

This package knows transformers and tokenizers. It does not know environments or switching.
"""
