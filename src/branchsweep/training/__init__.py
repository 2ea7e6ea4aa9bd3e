"""Trains populations of networks: many networks at once in one compiled program.

Read `population.py` first: a `Population` is a set of lanes (trial x fold x seed) that share one compiled `Program`.
`packing.py` puts lanes into populations, `cost_model.py` estimates how long they take. `trainer.py` trains one population:
`layer_schedule` lays its layers out, `batches` feeds it rows, `program` is the compiled function.

`protocols.py` says what a `Trainer` does. `local_workers.py` trains in processes of this machine, `ray/` on a cluster; both
take populations from a `population_queue` in the order that `scheduler` gives. `program_cache` keeps compiled programs on
disk.
"""
