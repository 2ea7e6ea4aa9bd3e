"""Noise of the targets in the compiled program: normally distributed, other numbers for each row, head and step.

The draws come from the same hash as those of dropout (see `dropout.py`), so that a lane is trained alike whatever trains beside
it, and goes on after a pause as if there had been none. Two uniform numbers make a normal one (Box and Muller 1958).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from branchsweep.training.program.dropout import uniform_draws
from branchsweep.training.program.program_arrays import Plan, Tensor

FIRST_NUMBER = 1 << 16
"""What the first head's noise is drawn for: greater than the number of any layer."""


def noisy_targets(plan: Plan, keys: Tensor | None, lanes: Tensor, head: int, targets: Tensor) -> Tensor:
    """The targets of a step, with noise where the lanes have any.

    Args:
        plan: The lanes' standard deviations.
        keys: `(K,)` see `Epochs`.
        lanes: `(S,)`.
        head: The position of the head.
        targets: `(S, 1, B)`, encoded.
    """
    if plan.target_noise is None:
        return targets
    numbers = tf.fill(lanes.shape, FIRST_NUMBER + head)
    uniform = uniform_draws(tf.gather(keys, lanes), numbers, 2, targets.shape[2])
    size, angle = tf.sqrt(-2.0 * tf.math.log(1.0 - uniform[:, :1])), np.float32(2.0 * np.pi) * uniform[:, 1:]
    return targets + tf.gather(plan.target_noise, lanes) * size * tf.cos(angle)
