"""BabyAI-Text: minigrid's BabyAI levels with text observations and text actions.

This package knows grids and missions. It does not know prompts, models or switching.
"""
