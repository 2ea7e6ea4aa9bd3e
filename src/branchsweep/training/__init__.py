"""Trains populations of networks: many networks at once in one compiled program.

Read `population.py` first: a `Population` is a set of lanes (trial x fold x seed) that share one compiled `Program`.
`packing.py` puts lanes into populations, `cost_model.py` estimates how long they take. `trainer.py` trains one population:
`layer_schedule.py` assigns its layers to array positions, `batches.py` prepares its batches, `program.py` has the compiled
function, built from `networks.py`, whose arrays are in `program_arrays.py`; `lane_arrays.py` writes lanes into them and reads
their outcomes.

`protocols.py` defines the `Trainer`. `local_workers.py` trains in processes of this machine (`gpus.py` finds its GPUs), `ray/`
on a cluster; both take populations from a `PopulationQueue` and assign them to workers by `scheduler.py`. `program_cache.py`
keeps compiled programs on disk.
"""
