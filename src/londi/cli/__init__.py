"""The command line: reads arguments, calls the library, prints what came of it.

This package knows options, tables and exit codes. It does not know how anything is computed.
"""
