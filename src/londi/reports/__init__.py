"""Pictures and pages of results.

This package knows figures. It does not know who played them.
"""
