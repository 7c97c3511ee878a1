"""A Switcher learned on explored graphs of episodes, on which returns are exact.

This package knows graphs of states and networks. It does not know which baselines it is compared
with.
"""
