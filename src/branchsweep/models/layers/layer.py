"""The contract of a hidden layer.

A layer works on S of its kind at once, feature-major, as the compiled program lays them out:

    weights  (S, U, 1 + V)   one block of numbers per layer: column 0 is the bias, the others the kernel
    x        (S, 1 + V, B)   what the layers read, for B rows; unit 0 is always one
    output   (S, U, B)       what they give on, with whatever `saved` holds for the way back

Units are padded with zeros on both sides, so a layer must map zero weights and zero inputs to zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.models.arrays import Array, ArrayOperations
from branchsweep.types import SourceCall

Activate = Callable[[Array], tuple[Array, Array]]
"""The value and the slope of the activation that the network has, at x."""

FORWARD, BACK, OVER_ROWS, OVER_UNITS = "sur,srb->sub", "sur,sub->srb", "sub,srb->sur", "suo,sub->sob"
"""Products over layers s, units u, units that are read r, and rows b; o is one."""


class Layer(ABC):
    """One kind of hidden layer. It has no state: a kind is one object, found by its name in `registry`.

    Attributes:
        name: As in YAML.
        trainable: Whether training changes its weights.
        needs_units: Whether it must be told which units pad a layer, see `with_units`.
    """

    name: ClassVar[str]
    trainable: ClassVar[bool] = True
    needs_units: ClassVar[bool] = False

    def with_units(self, shares: Array) -> Layer:
        """The kind, told which units pad the layers that it works on next: a kind that `needs_units` computes without them.

        Args:
            shares: `(S, U, 1)`, for each unit 1 / the number of its layer's own units, 0 for units that pad it.
        """
        del shares
        return self

    @abstractmethod
    def initial_weights(
        self, random: np.random.Generator, read: int, units: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kernel `(read, units)` and bias `(units,)` before the first step."""

    @abstractmethod
    def forward(self, ops: ArrayOperations, weights: Array, x: Array, activate: Activate) -> tuple[Array, Array]:
        """The output, and an array of its shape that `backward` needs."""

    @abstractmethod
    def backward(self, ops: ArrayOperations, weights: Array, x: Array, saved: Array, gradient: Array) -> tuple[Array, Array]:
        """The gradients by what was read, `(S, V, B)`, and by the weights, `(S, U, 1 + V)`.

        Args:
            ops: Array operations.
            weights: As in `forward`.
            x: As in `forward`.
            saved: What `forward` gave.
            gradient: `(S, U, B)` by the output.
        """

    def products(self, read: int, units: int) -> int:
        """Multiplications of one row on the way forward: what the cost model counts."""
        return read * units

    def parameters(self, read: int, units: int) -> int:
        """Weights and biases."""
        return (read + 1) * units

    @abstractmethod
    def keras_layer(self, units: int, activation: str, name: str) -> Any:
        """The same as a Keras layer whose weights are the kernel and the bias. It must load where branchsweep is not."""

    @abstractmethod
    def source(self, units: int, activation: str) -> SourceCall:
        """The Keras layer in generated code, all arguments but its name."""

    def label(self, units: int) -> str:
        """The layer in a drawing."""
        return f"{units}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
