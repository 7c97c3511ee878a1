"""Conversations in the formats of others, and as rows of the traces.

It knows messages, traces and three formats of files. It knows no model and no decision.
"""
