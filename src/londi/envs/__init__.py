"""Text environments: their names, their contract, and the prompts that an episode is read as.

This package knows how an episode is played. It does not know models or switching.
"""
