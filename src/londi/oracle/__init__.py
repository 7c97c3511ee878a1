"""Exact optima: of small MDPs, and of played episodes (the clairvoyant).

This package knows graphs of states. It does not know any learned Switcher.
"""
