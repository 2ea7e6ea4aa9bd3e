"""A fully connected layer whose units are normalised before bias and activation, row by row (Ba, Kiros and Hinton 2016).

With the product z = kernel x and its mean and variance over the units of the layer,

    activation((z - mean) / sqrt(variance + epsilon) + bias)

which in Keras is a `Dense` without bias, a `LayerNormalization` without gain, and the activation. A gain is left out, since it
gained nothing (`benchmarks/layers_tried.py`): the weights are a kernel and a bias, as those of every layer.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.models.layers.dense import Dense
from branchsweep.models.layers.layer import BACK, FORWARD, OVER_ROWS, OVER_UNITS, Activate, Layer
from branchsweep.types import SourceCall

EPSILON = np.float32(1e-3)
"""Keras's."""


class _Normalized(NamedTuple):
    """The normalised products, and what the way back needs of them."""

    units: Array  # (S, U, B)
    scale: Array  # (S, 1, B)
    shares: Array  # (S, U, 1)


class LayerNormalization(Dense):
    """activation(normalised(kernel x) + bias).

    Args:
        shares: See `Layer.with_units`; None where no units pad a layer.
    """

    name: ClassVar[str] = "layer_normalization"
    needs_units: ClassVar[bool] = True

    def __init__(self, shares: Array | None = None) -> None:
        self._shares = shares

    def with_units(self, shares: Array) -> Layer:
        """The same, for layers that have these units."""
        return LayerNormalization(shares)

    def forward(self, ops: ArrayOperations, weights: Array, x: Array, activate: Activate) -> tuple[Array, Array]:
        """The activation's value, and its slope for the way back."""
        return activate(self._normalized(ops, weights, x).units + weights[:, :, :1])

    def backward(self, ops: ArrayOperations, weights: Array, x: Array, saved: Array, gradient: Array) -> tuple[Array, Array]:
        """The chain rule through the activation, the normalisation, which is computed again, and the product."""
        units, scale, shares = self._normalized(ops, weights, x)
        delta = gradient * saved
        along = ops.einsum(OVER_UNITS, shares, delta * units)
        to_product = (delta - ops.einsum(OVER_UNITS, shares, delta) - units * along) * scale * ops.indicator(shares > 0)
        to_bias, to_kernel = ops.einsum(OVER_ROWS, delta, x[:, :1]), ops.einsum(OVER_ROWS, to_product, x[:, 1:])
        return ops.einsum(BACK, weights[:, :, 1:], to_product), ops.concatenate([to_bias, to_kernel], axis=2)

    def _normalized(self, ops: ArrayOperations, weights: Array, x: Array) -> _Normalized:
        shares = self._shares
        if shares is None:
            shares = ops.ones_like(weights[:, :, :1]) * np.float32(1.0 / weights.shape[1])
        product = ops.einsum(FORWARD, weights[:, :, 1:], x[:, 1:])
        centered = (product - ops.einsum(OVER_UNITS, shares, product)) * ops.indicator(shares > 0)
        scale = 1.0 / ops.sqrt(ops.einsum(OVER_UNITS, shares, centered * centered) + EPSILON)
        return _Normalized(centered * scale, scale, shares)

    def keras_layer(self, units: int, activation: str, name: str) -> Any:
        """Keras's layers, one after the other."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        product = keras.layers.Dense(units, use_bias=False, name="product")
        normalized = keras.layers.LayerNormalization(scale=False, name="normalized")
        return keras.Sequential([product, normalized, keras.layers.Activation(activation, name="activation")], name=name)

    def source(self, units: int, activation: str) -> SourceCall:
        """Keras's layers, one after the other, one to a line as a formatter has them."""
        parts = (
            f'keras.layers.Dense({units}, use_bias=False, name="product")',
            'keras.layers.LayerNormalization(scale=False, name="normalized")',
            f'keras.layers.Activation("{activation}", name="activation")',
        )
        return SourceCall("keras.Sequential", ("\n".join(["[", *(f"        {part}," for part in parts), "    ]"]),))

    def label(self, units: int) -> str:
        """Units, and that they are normalised."""
        return f"norm {units}"


LAYER_NORMALIZATION = LayerNormalization()
