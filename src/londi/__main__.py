"""`python -m londi`, the same as the command `londi`."""

from londi.cli import main

main()
