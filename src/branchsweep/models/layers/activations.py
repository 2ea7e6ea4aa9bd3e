"""Activation functions, each a value and its slope at x, and how one array has a different one for each of its rows.

Every activation maps 0 to 0: units that pad a layer stay zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.models.arrays import Array, ArrayOperations

Evaluated = tuple[Array, Array]
"""The value and the slope."""

NEGATIVE_SLOPE = np.float32(0.2)
"""Of `leaky_relu`."""


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation function.

    Args:
        name: As Keras and `activation` in YAML call it.
        evaluate: From operations, x and the inner value to the value and the slope at x.
        inner: The operation of which the function is made (`tanh`); empty for none. Activations of a program with the same
            inner operation share its computation, which is the costly part.
        inner_scale: The inner value is `inner(inner_scale * x)`.
    """

    name: str
    evaluate: Callable[[ArrayOperations, Array, Array], Evaluated]
    inner: str = ""
    inner_scale: float = 1.0

    def __call__(self, ops: ArrayOperations, x: Array) -> Evaluated:
        """The value and the slope at x."""
        return evaluate_by_row(ops, [self], 0, x)


def _relu(ops: ArrayOperations, x: Array, _: Array) -> Evaluated:
    return ops.relu(x), ops.indicator(x > 0)


def _leaky_relu(ops: ArrayOperations, x: Array, _: Array) -> Evaluated:
    """X where it is positive, else a fifth of it: the negative slope that Keras has by default."""
    return ops.maximum(x, NEGATIVE_SLOPE * x), NEGATIVE_SLOPE + (1 - NEGATIVE_SLOPE) * ops.indicator(x > 0)


def _gelu(ops: ArrayOperations, x: Array, _: Array) -> Evaluated:
    """X * Phi(x), the exact form that Keras has by default."""
    below = 0.5 * (1.0 + ops.erf(x * np.float32(np.sqrt(0.5))))
    return x * below, below + x * ops.exp(-0.5 * x * x) * np.float32(1.0 / np.sqrt(2.0 * np.pi))


def _silu(_: ArrayOperations, x: Array, inner: Array) -> Evaluated:
    """X * sigmoid(x) with sigmoid(x) = (1 + tanh(x / 2)) / 2."""
    sigmoid = 0.5 * inner + 0.5
    y = x * sigmoid
    return y, sigmoid + y * (1.0 - sigmoid)


def _tanh(_: ArrayOperations, __: Array, inner: Array) -> Evaluated:
    return inner, 1.0 - inner * inner


def _mish(ops: ArrayOperations, x: Array, _: Array) -> Evaluated:
    """X * tanh(log(1 + exp(x))) (Misra 2019), where tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), and e = exp(x)."""
    e = ops.exp(ops.clip(x, -80.0, 20.0))  # from 20 on the function is x in float32, and exp(2 * 20) is still finite
    n = e * (e + 2.0)
    factor = n / (n + 2.0)
    return x * factor, factor + x * (1.0 - factor * factor) * (e / (1.0 + e))


RELU = Activation("relu", _relu)
SILU = Activation("silu", _silu, inner="tanh", inner_scale=0.5)
TANH = Activation("tanh", _tanh, inner="tanh")
GELU = Activation("gelu", _gelu)
MISH = Activation("mish", _mish)
LEAKY_RELU = Activation("leaky_relu", _leaky_relu)


def evaluate_by_row(ops: ArrayOperations, activations: Sequence[Activation], index: Array, x: Array) -> Evaluated:
    """Value and slope at x, of the activation that each row has.

    Args:
        ops: Array operations.
        activations: Those that rows may have; only these are computed.
        index: `(rows, 1, 1)` the position of each row's activation among them.
        x: `(rows, …)`.
    """
    inner = {name: _inner(ops, name, activations, index, x) for name in dict.fromkeys(a.inner for a in activations) if name}
    evaluated = [activation.evaluate(ops, x, inner.get(activation.inner)) for activation in activations]
    value, slope = evaluated[0]
    for position, (other_value, other_slope) in enumerate(evaluated[1:], start=1):
        value = ops.where(index == position, other_value, value)
        slope = ops.where(index == position, other_slope, slope)
    return value, slope


def _inner(ops: ArrayOperations, name: str, activations: Sequence[Activation], index: Array, x: Array) -> Array:
    """The inner value of all activations with this inner operation: one evaluation, at each row's own argument."""
    *others, last = [(position, activation) for position, activation in enumerate(activations) if activation.inner == name]
    argument = _scaled(x, last[1].inner_scale)
    for position, activation in others:
        if activation.inner_scale != last[1].inner_scale:
            argument = ops.where(index == position, _scaled(x, activation.inner_scale), argument)
    return getattr(ops, name)(argument)


def _scaled(x: Array, scale: float) -> Array:
    return x if scale == 1.0 else scale * x
