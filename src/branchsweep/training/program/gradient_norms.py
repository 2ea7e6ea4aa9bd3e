"""Gradients whose norms are changed: balanced between sources (`loss_balancing: gradient_norm`), or clipped (`clipnorm`).

Sums over rows, and over what a layer reads, are matrix products, so that their bits are the same in every place of a program.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import tensorflow as tf

from branchsweep.models.layers.layer import OVER_ROWS
from branchsweep.training.program.program_arrays import Tensor

SMALLEST_NORM = np.float32(1e-12)
"""The least norm that a gradient is divided by."""


def balanced(flows: list[Tensor], shares: Tensor) -> list[Tensor]:
    """Scale the gradients of the same layers so that their norms are in the ratio of their shares.

    The sum of the norms is not changed (`gradient_norm` of `config/hyperparameters.py`).

    Args:
        flows: `(S, W, B)` each: by source, the gradients with respect to the outputs of S layers.
        shares: `(S, number of flows)` the share of each source. Where it is 0, the gradient is not changed.
    """
    of_rows = [tf.sqrt(tf.reduce_sum(flow * flow, 1, keepdims=True)) for flow in flows]
    norms = [tf.sqrt(tf.einsum(OVER_ROWS, of_row, of_row)) for of_row in of_rows]  # (S, 1, 1)
    together = reduce(add, norms)
    in_ratio = []
    for number, (flow, norm) in enumerate(zip(flows, norms, strict=True)):
        share = shares[:, number, None, None]
        in_ratio.append(flow * tf.where(share > 0.0, share * together / tf.maximum(norm, SMALLEST_NORM), 1.0))
    return in_ratio


def clipped(gradient: Tensor, limit: Tensor) -> Tensor:
    """The gradients of S layers, those of kernel and bias scaled down to the limit where their norm exceeds it.

    Keras's `clipnorm`, for which kernel and bias are variables of their own.

    Args:
        gradient: `(S, U, 1 + V)`.
        limit: `(S, 1, 1)`, 0 for none.
    """
    of_columns = tf.sqrt(tf.reduce_sum(gradient * gradient, 1, keepdims=True))  # (S, 1, 1 + V)
    of_kernel = of_columns[:, :, 1:]
    bias_norm, kernel_norm = of_columns[:, :, :1], tf.sqrt(tf.einsum(OVER_ROWS, of_kernel, of_kernel))

    def share(norm: Tensor) -> Tensor:
        return tf.where(limit > 0.0, limit / tf.maximum(norm, tf.maximum(limit, SMALLEST_NORM)), 1.0)

    is_bias = tf.range(gradient.shape[2]) == 0
    return gradient * tf.where(is_bias, share(bias_norm), share(kernel_norm))
