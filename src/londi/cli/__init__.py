"""The command line: the only package that reads arguments, prints or exits.

This package knows what a user types. It does not know how any verb does its work.
"""
