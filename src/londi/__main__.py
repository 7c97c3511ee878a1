"""`python -m londi`, the same as the command `londi`."""

from londi.cli.main import main

main()
