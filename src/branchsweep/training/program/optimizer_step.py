"""One step of the optimizer, on S layers of a population at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from branchsweep.models.recipe import DEFAULT_BETA_2
from branchsweep.training.program.gradient_norms import clipped
from branchsweep.training.program.program_arrays import OptimizerSettings, Parameter, Tensor
from branchsweep.training.program.tensor_operations import index_after, read_rows, write_rows

BETA_1, BETA_2, EPSILON = np.float32(0.9), np.float32(DEFAULT_BETA_2), np.float32(1e-7)  # Keras's Adam


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """The optimizer of a program.

    Args:
        name: `adam` or `sgd`.
        slots: Layers that are updated at a time (S).
    """

    name: str
    slots: int

    def update(
        self,
        parameter: Parameter,
        gradient: Tensor,
        o: Tensor,
        settings: OptimizerSettings,
        infinity: Tensor,
        reads_done: Tensor | None = None,
    ) -> Parameter:
        """Weights and moments after one step, S rows from row o on.

        Adam (Kingma and Ba 2015) as Keras computes it, decoupled weight decay (Loshchilov and Hutter 2019) as Keras's
        `weight_decay`; or gradient descent with Keras's momentum. Lanes that do not train are not changed.

        Args:
            parameter: The whole arrays of weights, first and second moments.
            gradient: `(S, …)` the gradient with respect to the S rows.
            o: The first row.
            settings: `(S, 1, 1)` each, of the rows' lanes.
            infinity: See `index_after`.
            reads_done: An array that depends on every read of the weights from row o on; None if no other read is pending.
        """
        step_size, decay, momentum, beta_2, clipnorm, trains = settings
        weights, first, second = parameter
        if clipnorm is not None:
            gradient = clipped(gradient, clipnorm)
        w, m = read_rows(weights, o, self.slots), read_rows(first, o, self.slots)
        at = o if reads_done is None else index_after(o, reads_done, infinity)
        if self.name == "sgd":
            moved = momentum * m - step_size * gradient
            weights = write_rows(weights, at, tf.where(trains, (w - w * decay) + moved, w))
            return Parameter(weights, write_rows(first, index_after(o, weights, infinity), tf.where(trains, moved, m)), second)
        v = read_rows(second, o, self.slots)
        m_new = m + (gradient - m) * (1 - BETA_1)
        v_new = v + (gradient * gradient - v) * (1 - (BETA_2 if beta_2 is None else beta_2))
        weights = write_rows(weights, at, tf.where(trains, (w - w * decay) - m_new * step_size / (tf.sqrt(v_new) + EPSILON), w))
        moments_at = index_after(o, weights, infinity)  # the line above reads both moments, so it goes first
        first = write_rows(first, moments_at, tf.where(trains, m_new, m))
        second = write_rows(second, moments_at, tf.where(trains, v_new, v))
        return Parameter(weights, first, second)
