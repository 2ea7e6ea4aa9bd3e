"""Random changes of what users hand in: no traceback, no silence of more than ten seconds, no file left behind.

`mutations.py` says how a text or data is changed, `records.py` how a recorded store is, and `commands.py` how a command is run
and judged. A run of the tests takes the same examples each time, within a minute; `make fuzz` takes new ones for ten minutes
(`BRANCHSWEEP_FUZZ_SECONDS`).
"""
