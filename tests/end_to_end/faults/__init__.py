"""Faults that are injected while commands run: kills, a hostile proxy, full disks, stopped workers.

`chain.py` has the commands and what they must leave in the store, `undisturbed.py` how they end without a fault, `kills.py` the
moments at which something is killed, `recorded.py` the proxy, `disks.py` small disks. Whatever is injected, the results must be
those of the undisturbed commands.

`test_faults.py` injects a few fixed faults. `make faults` runs `test_in_full.py`, with as many kills as BRANCHSWEEP_FAULTS
says, and writes the figures into `docs/reliability.md`.
"""
