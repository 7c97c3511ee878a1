"""Encoders: how a prompt becomes the features that the Switcher reads.

This package knows prompts and replies. It does not know costs, budgets or learning.
"""
