"""Files: the folder of a run, checkpoints, and atomic writes.

This package knows how state is kept on disk. It does not know what the state means.
"""
