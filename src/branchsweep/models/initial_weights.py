"""The weights of a network before its first step. A module of its own, as training needs them and does not need Keras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from branchsweep.models.architecture import Architecture
from branchsweep.models.layers.dense import DENSE
from branchsweep.types import Weights


def initial_weights(architecture: Architecture, inputs: int, seed: Sequence[int]) -> Weights:
    """The weights of a network before its first step, as its kinds of layers draw them; outputs are drawn as dense layers.

    They are in the order of `types.Weights`.

    Args:
        architecture: The network.
        inputs: Encoded input columns.
        seed: Whole numbers that name the network; equal ones give equal weights, on any machine.
    """
    random = np.random.default_rng(np.random.SeedSequence(list(seed)))
    weights: list[NDArray[np.float32]] = []
    for layer in architecture.layers(inputs):
        weights += (layer.kind or DENSE).initial_weights(random, layer.read, layer.units)
    return tuple(weights)
