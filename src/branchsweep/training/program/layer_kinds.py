"""The kinds of hidden layers in a program: S layers that are computed side by side, each of its own kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from branchsweep.models.layers.layer import Activate, Layer
from branchsweep.training.program.program_arrays import OptimizerSettings, Plan, Tensor
from branchsweep.training.program.tensor_operations import TENSORS, read_rows


@dataclass(frozen=True)
class KindsOfLayers:
    """The kinds of S layers.

    Args:
        index: `(S, 1, 1)` that of each layer among the program's; None if the program has a single kind.
        kinds: Those of the program.
    """

    index: Tensor | None
    kinds: Sequence[Layer]

    def forward(self, block: Tensor, x: Tensor, activate: Activate) -> tuple[Tensor, Tensor]:
        """The outputs of S layers, each of its own kind, and what they save for the backward pass: `(S, U, B)` each."""
        return self._selected([kind.forward(TENSORS, block, x, activate) for kind in self.kinds])

    def backward(self, block: Tensor, x: Tensor, saved: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients with respect to the inputs (S, V, B) and the weights of S layers, each of its own kind."""
        return self._selected([kind.backward(TENSORS, block, x, saved, gradient) for kind in self.kinds])

    def trained(self, settings: OptimizerSettings) -> OptimizerSettings:
        """The settings of the layers, `trains` being False for kinds that are not trainable."""
        if all(kind.trainable for kind in self.kinds):
            return settings
        learns = tf.constant([kind.trainable for kind in self.kinds])
        return settings._replace(trains=settings.trains & (learns[0] if self.index is None else tf.gather(learns, self.index)))

    def _selected(self, computed: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """For each of S layers, the pair of results that its own kind computed; every kind computes them for all."""
        first, second = computed[0]
        for position, (other_first, other_second) in enumerate(computed[1:], start=1):
            first = tf.where(self.index == position, other_first, first)
            second = tf.where(self.index == position, other_second, second)
        return first, second


def kinds_at(plan: Plan, kinds: Sequence[Layer], row: Tensor, shape: tuple[int, int]) -> KindsOfLayers:
    """The kinds of the layers from an activation row on.

    Args:
        plan: Which kind each layer has.
        kinds: Those of the program.
        row: The activation row of the first layer.
        shape: The number of layers, and the units that they are padded to.
    """
    count, units = shape
    index = None if plan.layer is None else read_rows(plan.layer, row, count)[:, None, None]
    if plan.units is None:
        return KindsOfLayers(index, kinds)
    shares = unit_shares(read_rows(plan.units, row, count), units)
    return KindsOfLayers(index, [kind.with_units(shares) for kind in kinds])


def unit_shares(own: Tensor, units: int) -> Tensor:
    """`(S, U, 1)` for each unit of S layers 1 / the number of its layer's own units, 0 for units that pad it.

    Args:
        own: `(S,)` that number; 0 in places without a layer.
        units: U.
    """
    own = own[:, None, None]
    return tf.where(tf.range(units)[None, :, None] < own, 1.0 / tf.cast(tf.maximum(own, 1), tf.float32), 0.0)
