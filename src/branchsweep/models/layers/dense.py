"""The fully connected layer, with an activation: Keras's `Dense`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.layers.layer import BACK, FORWARD, OVER_ROWS, Activate, Layer
from branchsweep.types import SourceCall


class Dense(Layer):
    """activation(kernel x + bias)."""

    name: ClassVar[str] = "dense"

    def initial_weights(
        self, random: np.random.Generator, read: int, units: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A Glorot-uniform kernel (Glorot and Bengio 2010) and a bias of zero, as Keras's `Dense` has by default."""
        limit = np.sqrt(6.0 / (read + units))
        return random.uniform(-limit, limit, (read, units)).astype(np.float32), np.zeros(units, np.float32)

    def forward(self, ops: ArrayOperations, weights: Array, x: Array, activate: Activate) -> tuple[Array, Array]:
        """The activation's value, and its slope for the way back."""
        return activate(ops.einsum(FORWARD, weights, x))

    def backward(self, ops: ArrayOperations, weights: Array, x: Array, saved: Array, gradient: Array) -> tuple[Array, Array]:
        """The chain rule through the activation and the product."""
        delta = gradient * saved
        return ops.einsum(BACK, weights[:, :, 1:], delta), ops.einsum(OVER_ROWS, delta, x)

    def keras_layer(self, units: int, activation: str, name: str) -> Any:
        """Keras's `Dense`."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        return keras.layers.Dense(units, activation=activation, name=name)

    def source(self, units: int, activation: str) -> SourceCall:
        """Keras's `Dense`."""
        return SourceCall("keras.layers.Dense", (str(units), f'activation="{activation}"'))


DENSE = Dense()
