"""Dropout in the compiled program: which outputs of a layer a step sets to zero (Srivastava et al. 2014).

The draw is a function of the lane's seed, the epoch, the step, the layer's number in its network, the unit and the row of the
batch, and of nothing else: a lane is trained alike whatever trains beside it, in whatever place, and one that pauses goes on as
if it had not. Random bits come from a hash of these numbers: a multiplicative hash whose constants were searched for the least
bias (`lowbias32` of C. Wellons's hash-prospector, in the public domain). It takes a few instructions per unit, where the
generators of TensorFlow take longer than the layer itself.

As Keras's `Dropout`, what remains is divided by the share that remains, and predictions are made without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from branchsweep.training.lanes import DROPOUT
from branchsweep.training.program.program_arrays import Tensor

LAYER_STEP = 0x9E3779B9
"""What one layer adds to its lane's key: the golden ratio times 2^32, so that the keys of a network's layers are far apart."""

BITS = 24
"""The random bits of a draw: as many as a float32 holds exactly."""


def step_keys(weight_seed: Sequence[int], epoch: int, steps: int) -> NDArray[np.int32]:
    """A random number for each step of an epoch of one lane, which its draws derive from.

    Args:
        weight_seed: The integers that the lane's initial weights derive from.
        epoch: The epoch, from 0.
        steps: The steps of the epoch.
    """
    seed, _, *lane = weight_seed
    random = np.random.default_rng(np.random.SeedSequence([seed, DROPOUT, *lane, epoch]))
    return random.integers(2**32, size=steps, dtype=np.uint32).view(np.int32)


def kept_share(rates: Tensor, keys: Tensor, numbers: Tensor, units: int, rows: int) -> Tensor:
    """`(S, units, rows)` the factor of each output of S layers: 0 where it is dropped, else 1 / (1 - rate).

    Args:
        rates: `(S,)` the layers' dropout rates.
        keys: `(S,)` the step's keys of their lanes.
        numbers: `(S,)` their numbers in their networks.
        units: Units of a layer.
        rows: Rows of the batch.
    """
    uniform = uniform_draws(keys, numbers, units, rows)
    rate = rates[:, None, None]
    return tf.where(uniform >= rate, 1.0 / (1.0 - rate), 0.0)


def uniform_draws(keys: Tensor, numbers: Tensor, units: int, rows: int) -> Tensor:
    """`(S, units, rows)` random numbers from 0 to 1, the latter excluded.

    Args:
        keys: `(S,)` the step's keys of S lanes.
        numbers: `(S,)` what they are drawn for, such as a layer's number; other numbers give other draws.
        units: See above.
        rows: See above.
    """
    layers = _hashed(tf.bitcast(keys, tf.uint32) + tf.cast(numbers, tf.uint32) * tf.constant(LAYER_STEP, tf.uint32))
    outputs = tf.reshape(tf.range(units * rows), [1, units, rows])
    draws = _hashed(tf.bitwise.bitwise_xor(tf.cast(outputs, tf.uint32), layers[:, None, None]))
    return tf.cast(tf.cast(_shifted(draws, 32 - BITS), tf.int32), tf.float32) * np.float32(2.0**-BITS)


def _hashed(x: Tensor) -> Tensor:
    """A hash of 32 bits: every bit of the result depends on every bit of x."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = tf.bitwise.bitwise_xor(x, _shifted(x, shift)) * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, _shifted(x, 16))


def _shifted(x: Tensor, bits: int) -> Tensor:
    return tf.bitwise.right_shift(x, tf.constant(bits, tf.uint32))
