"""Baselines: rules, routers learned from logs, and other libraries' algorithms.

This package knows how each baseline decides. It does not know how methods are compared.
"""
