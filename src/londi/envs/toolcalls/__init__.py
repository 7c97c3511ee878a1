"""Tool calls: the multi-turn part of the Berkeley Function Calling Leaderboard.

This package knows one environment. It does not know models or switching.
"""
