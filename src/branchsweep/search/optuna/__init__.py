"""Optuna's samplers as samplers of trials.

Read `sampler.py` first. `algorithms.py` lists the samplers that an experiment may name and how each is made, `distributions.py`
converts points, `memory.py` chooses the trials that a sampler is given if there are very many.
"""
