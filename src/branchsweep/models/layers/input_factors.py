"""A learned factor for each encoded input, before the first layer (the hyperparameter `input_factor_rate`).

The factors begin at 1. A learning rate of their own, some times that of the weights, lets a network find out early which
inputs matter (the scaling layer of RealMLP: Holzmüller, Grinsztajn and Steinwart 2024). In Keras they are an `EinsumDense`
layer, which loads where branchsweep is not.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.types import SourceCall

LAYER_NAME = "inputs.factors"
"""Of the Keras layer. A head's name has no dot, so no other layer is called so."""

EQUATION = "ri,i->ri"
"""Rows and inputs times inputs."""


class InputFactors:
    """The factors, whose weights are a kernel `(inputs, 1)` and a bias `(1,)` that stays 0 and is not used."""

    name: ClassVar[str] = "input_factors"

    def initial_weights(
        self, random: np.random.Generator, read: int, units: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Ones; nothing is drawn."""
        del random
        return np.ones((read, units), np.float32), np.zeros(units, np.float32)

    def products(self, read: int, units: int) -> int:
        """Multiplications of one row on the way forward."""
        return read * units

    def parameters(self, read: int, units: int) -> int:
        """The factors."""
        return read * units

    def keras_layer(self, inputs: int) -> Any:
        """The same in Keras."""
        import keras  # noqa: PLC0415  # a kind imports no heavy library

        return keras.layers.EinsumDense(EQUATION, inputs, kernel_initializer="ones", name=LAYER_NAME)

    def source(self, inputs: str) -> SourceCall:
        """The Keras layer in generated code, all arguments but its name.

        Args:
            inputs: The width of the encoded inputs, as source.
        """
        return SourceCall("keras.layers.EinsumDense", (f'"{EQUATION}"', inputs, 'kernel_initializer="ones"'))


INPUT_FACTORS = InputFactors()
