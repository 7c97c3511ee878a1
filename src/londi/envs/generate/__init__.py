"""Texts that are written chunk by chunk: tasks, scorers, and a sandbox for model-written code.

This package knows texts and scores. It does not know models or switching.
"""
