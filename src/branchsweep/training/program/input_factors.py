"""Learned factors of the inputs in the compiled program (see `models/layers/input_factors.py`).

Lanes without factors multiply their inputs by 1 exactly, and their rows of the array of factors stay as they are.
"""

from __future__ import annotations

import tensorflow as tf

from branchsweep.models.layers.layer import OVER_ROWS
from branchsweep.training.program.program_arrays import OptimizerSettings, Plan, Tensor


def factors_of(plan: Plan, lanes: Tensor, learned: Tensor) -> Tensor:
    """`(S, 1 + F, 1)` what the inputs of S lanes are multiplied by: 1 for lanes without factors, and for input 0.

    Args:
        plan: Says which lanes have any.
        lanes: `(S,)`.
        learned: `(S, 1, 1 + F)` the factors of these lanes.
    """
    counts = (tf.gather(plan.input_factor_rate, lanes) > 0.0) & (tf.range(learned.shape[2]) > 0)
    return tf.transpose(tf.where(counts, learned, 1.0), [0, 2, 1])


def factor_gradient(inputs: Tensor, sent: Tensor) -> Tensor:
    """`(S, 1, 1 + F)` the gradients with respect to the factors of S lanes; 0 for input 0.

    Args:
        inputs: `(S, 1 + F, B)` before they are multiplied. Input 0 is one in every row: by it the product sums over rows.
        sent: `(S, F, B)` the gradients with respect to the inputs after they were multiplied.
    """
    return tf.einsum(OVER_ROWS, inputs[:, :1], tf.pad(sent, [[0, 0], [1, 0], [0, 0]]) * inputs)


def factor_settings(plan: Plan, lanes: Tensor, settings: OptimizerSettings) -> OptimizerSettings:
    """The optimizer's settings for the factors of some lanes, from those for their weights."""
    rate = tf.gather(plan.input_factor_rate, lanes)
    return settings._replace(step_size=settings.step_size * rate, trains=settings.trains & (rate > 0.0))
