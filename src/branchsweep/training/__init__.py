"""Trains populations of networks: many networks at once in one compiled program.

Read `population.py` first: a `Population` is a set of lanes (trial x fold x seed, `lanes.py`) that share one compiled program.
`packing.py` puts lanes into populations, `cost_model.py` and `memory.py` estimate how long they take and how much memory.
`trainer.py` trains one population with the program in `program/`. `lane_score.py` is the score by which a lane stops early,
`epoch_metric.py` the metric where the objective names one that is no score. `keras_training.py` trains the networks of a user's
own builder by Keras.

`protocols.py` defines the `Trainer`. `local_workers.py` trains in processes of this machine (`local_worker.py` is one of them
from outside, `worker_process.py` runs in it, `spawning.py` starts it, `gpus.py` finds the GPUs, `extension_modules.py` imports
what the user registered), `ray/` on a cluster; both take populations from a `population_queue.PopulationQueue`, assign them to
workers by `scheduler.py`, and tell how many they are (`resources.py`).
"""
