"""Trains populations of networks: many networks at once in one compiled program.

Read `population.py` first: a `Population` is a set of lanes (trial x fold x seed, `lanes.py`) that share one compiled program.
`packing.py` puts lanes into populations, `cost_model.py` estimates how long they take. `trainer.py` trains one population with
the program in `program/`.

`protocols.py` defines the `Trainer`. `local_workers.py` trains in processes of this machine (`local_worker.py` is one of them
from outside, `worker_process.py` runs in it, `spawning.py` starts it, `gpus.py` finds the GPUs), `ray/` on a cluster; both take
populations from a `PopulationQueue` and assign them to workers by `scheduler.py`.
"""
