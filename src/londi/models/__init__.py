"""Language models: prompts in, actions out, with an answer cache and a meter around them.

This package knows how an action is chosen. It does not know who decides which model acts.
"""
