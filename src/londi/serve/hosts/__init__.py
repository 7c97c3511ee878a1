"""A Switcher in the frameworks that agents are built with, one file a framework.

It knows how each framework asks a model, and reads what is asked and what was used. It knows no
decision, no account and no HTTP.
"""
