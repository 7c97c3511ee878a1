"""TextWorld: generated text games, the engine that plays them, and their prompt grammar.

This package knows the games. It does not know models or switching.
"""
