"""Search drivers: which trials to run, and when to stop.

Read `protocols.py` first: a `Driver` is asked for trials and told their results; a `Sampler` suggests single points.
`drivers.py` opens the driver that an experiment names. `batching.py` turns any sampler into a driver, with the help of
`asked_trials` (what was asked), `observations` (what results mean to a sampler) and `sampling` (random and evenly spread
points). The samplers are `optuna.py`, `keras_tuner.py` and `random.py`.

`successive_halving.py` says which trials are pruned, `stopping.py` when a search is over, `importance.py` which
hyperparameters mattered, `boundary_check.py` whether the best values lie at a bound. `optuna_export.py` writes a sweep as an
Optuna study.
"""
