"""Logs of others, each format in a file, and what can be said of pairs of models from them."""
