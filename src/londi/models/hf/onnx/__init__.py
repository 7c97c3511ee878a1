"""Hugging Face models on ONNX Runtime: the same answers in a fraction of the time on a CPU.

This package knows how a model becomes graphs and how the graphs are run. It does not know where
prompts come from.
"""
