"""Databases of language-model answers: one SQLite file, or a server for several machines.

This package knows keys and values, and neither models nor prompts.
"""
