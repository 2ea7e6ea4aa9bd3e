"""The few array operations that losses, activations and layers are written against.

What must run in the compiled program and in NumPy alike is written once, as a function of such a namespace: `NUMPY` here,
TensorFlow's in `training/program/tensor_operations.py`. So a kind imports no heavy library and is tested in milliseconds.
Operators (`+`, `*`, `>`, slices) are those of the arrays themselves; constants are written as `np.float32`, so that they do
not widen an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Array = Any
"""A NumPy array or a tensor."""


class ArrayOperations(Protocol):
    """Functions of arrays, element by element unless said otherwise."""

    def abs(self, x: Array) -> Array:
        """|x|."""
        ...

    def clip(self, x: Array, low: float, high: float) -> Array:
        """x, at least `low` and at most `high`."""
        ...

    def concatenate(self, arrays: Sequence[Array], axis: int) -> Array:
        """Arrays one after the other along an axis."""
        ...

    def einsum(self, equation: str, *arrays: Array) -> Array:
        """A sum of products, in Einstein's notation."""
        ...

    def erf(self, x: Array) -> Array:
        """The error function."""
        ...

    def exp(self, x: Array) -> Array:
        """E to the power of x."""
        ...

    def indicator(self, condition: Array) -> Array:
        """1.0 where the condition holds, else 0.0, in float32."""
        ...

    def log(self, x: Array) -> Array:
        """The natural logarithm."""
        ...

    def maximum(self, x: Array, y: Array) -> Array:
        """The larger of the two."""
        ...

    def ones_like(self, x: Array) -> Array:
        """Ones of the shape of x."""
        ...

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        ...

    def sign(self, x: Array) -> Array:
        """-1, 0 or 1."""
        ...

    def sqrt(self, x: Array) -> Array:
        """The square root."""
        ...

    def tanh(self, x: Array) -> Array:
        """The hyperbolic tangent."""
        ...

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """X where the condition holds, else y."""
        ...

    def zeros_like(self, x: Array) -> Array:
        """Zeros of the shape of x."""
        ...


class NumpyOperations:
    """`ArrayOperations` of NumPy."""

    abs = staticmethod(np.abs)
    clip = staticmethod(np.clip)
    concatenate = staticmethod(np.concatenate)
    einsum = staticmethod(np.einsum)
    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    maximum = staticmethod(np.maximum)
    ones_like = staticmethod(np.ones_like)
    sign = staticmethod(np.sign)
    sqrt = staticmethod(np.sqrt)
    tanh = staticmethod(np.tanh)
    where = staticmethod(np.where)
    zeros_like = staticmethod(np.zeros_like)

    @staticmethod
    def erf(x: Array) -> Array:
        """The error function."""
        from scipy.special import erf  # noqa: PLC0415  # takes a third of a second, and showing a sweep does not need it

        return erf(x)

    @staticmethod
    def indicator(condition: Array) -> Array:
        """1.0 where the condition holds, else 0.0."""
        return np.asarray(condition).astype(np.float32)

    @staticmethod
    def relu(x: Array) -> Array:
        """max(x, 0)."""
        return np.maximum(x, 0)


NUMPY: ArrayOperations = NumpyOperations()
"""NumPy's operations."""
