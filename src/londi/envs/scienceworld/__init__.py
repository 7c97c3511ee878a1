"""ScienceWorld: the text environment, its simulator process and its prompt grammar.

This package knows the simulator. It does not know models or switching.
"""
