"""Hyperparameter sweeps for branched multi-output Keras networks."""

__version__ = "0.1.0"
