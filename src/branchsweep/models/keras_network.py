"""One branched network: its initial weights, and the same network as an ordinary Keras model.

`initial_weights`, `build` and `weights_of` all speak of weights in the order of `population.Weights`.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.models.architecture import Architecture
from branchsweep.types import Weights


def initial_weights(architecture: Architecture, inputs: int, seed: Sequence[int]) -> Weights:
    """Glorot-uniform kernels and zero biases, as Keras's `Dense` has by default.

    Kernels are drawn from ±sqrt(6 / (in + out)) (Glorot and Bengio 2010).

    Args:
        architecture: The network.
        inputs: Input columns.
        seed: Whole numbers that name the network; equal ones give equal weights, on any machine.
    """
    random = np.random.default_rng(np.random.SeedSequence(list(seed)))
    weights: list[NDArray[np.float32]] = []
    for fan_in, fan_out in architecture.layers(inputs):
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        weights.append(random.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return tuple(weights)


def build_network(
    architecture: Architecture, inputs: int, weights: Weights | None = None, name: str | None = None
) -> keras.Model:
    """The network as a functional Keras model over scaled inputs: `(rows, inputs)` in, a dict head → `(rows, 1)` out.

    Args:
        architecture: The network.
        inputs: Input columns.
        weights: What to fill it with, Keras's own initial weights if absent.
        name: The model's; Keras gives one if absent.
    """
    columns = keras.Input((inputs,), name="inputs")
    trunk = columns
    layers: list[keras.layers.Dense] = []

    def dense(units: int, activation: str | None, name: str) -> keras.layers.Dense:
        layers.append(keras.layers.Dense(units, activation=activation, name=name))
        return layers[-1]

    for depth, width in enumerate(architecture.trunk, start=1):
        trunk = dense(width, architecture.activation, f"trunk_{depth}")(trunk)
    outputs = {}
    for head, branch in architecture.branches.items():
        last = trunk
        for depth, width in enumerate(branch, start=1):
            last = dense(width, architecture.activation, f"{head}_{depth}")(last)
        outputs[head] = dense(1, None, head)(last)
    model = keras.Model(columns, outputs, name=name)
    if weights is not None:
        for layer, kernel, bias in zip(layers, weights[::2], weights[1::2], strict=True):
            layer.set_weights([kernel, bias])
    return model


def network_weights(model: keras.Model, architecture: Architecture) -> Weights:
    """The weights of a model made by `build`."""
    names = [f"trunk_{depth}" for depth in range(1, len(architecture.trunk) + 1)]
    for head, branch in architecture.branches.items():
        names += [*(f"{head}_{depth}" for depth in range(1, len(branch) + 1)), head]
    return tuple(array for name in names for array in model.get_layer(name).get_weights())
