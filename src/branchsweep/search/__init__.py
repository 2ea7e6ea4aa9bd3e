"""Search: which trials to run, when to prune them, and when to stop.

Read `protocols.py` first: a `Driver` proposes trials (`ask`) and learns their results (`tell`); a `Sampler` suggests single
points of the search space. `drivers.py` makes the driver that an experiment names. `batching.py` makes a driver of any sampler,
with the help of `asked_trials.py` (the trials of the sweep), `observations.py` (converts results to what samplers learn) and
`sampling.py` (random points); `search_points.py` converts between points, units and indices, `network_bounds.py` leaves out
points whose network is too large, and `nearest_point.py` moves a configuration into the space. The samplers are in `random.py`,
`optuna/` and `keras_tuner/`, those of other packages in `package_sampler.py`; `hypermodel.py` is an experiment for KerasTuner's
own tuners, `sequential.py` a search of a few dimensions, point by point.

`successive_halving.py` ranks the trials at a rung, `stopping.py` decides when a search is over, `importance.py` computes
hyperparameter importance, `boundary_check.py` finds best values at a bound. `optuna_export.py` writes a sweep as an Optuna
study.
"""
