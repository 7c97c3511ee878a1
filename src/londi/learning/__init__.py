"""Training a Switcher: replay, learners, algorithms, and the training loop.

This package knows transitions. It does not know which baselines it is compared with.
"""
