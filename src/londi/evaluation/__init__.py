"""Playing held-out episodes, their metrics and intervals, and comparisons of methods.

This package knows what was played. It does not know how anything was trained.
"""
