"""`python -m branchsweep` is `branchsweep`."""

from branchsweep.cli import main

main()
