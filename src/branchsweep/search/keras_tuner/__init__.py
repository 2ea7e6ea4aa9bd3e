"""KerasTuner's oracles as samplers of trials.

Read `sampler.py` first. `oracles.py` has the oracles, each without files, locks and workers, `gaussian_process.py` the bound
that the Bayesian one minimizes, `space.py` converts points.
"""
