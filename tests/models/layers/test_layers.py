"""Every kind of layer keeps the contract; activations are Keras's, alone and mixed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.models.arrays import NUMPY
from branchsweep.models.layers.activations import SILU, Activation, Evaluated, evaluate_by_row
from branchsweep.models.layers.layer_normalization import LAYER_NORMALIZATION
from branchsweep.models.layers.registry import activation_kinds, layer_kinds
from branchsweep.types import Floats
from contracts.layer import LayerContract

X = np.linspace(-4.0, 4.0, 81)


@pytest.mark.parametrize("layer", layer_kinds(), ids=lambda layer: layer.name)
class TestLayers(LayerContract):
    """Every built-in kind."""


def test_every_configurable_name_has_a_kind() -> None:
    assert [layer.name for layer in layer_kinds()] == list(kinds.LAYERS)
    assert [activation.name for activation in activation_kinds()] == list(kinds.ACTIVATIONS)


@pytest.mark.parametrize("activation", activation_kinds(), ids=lambda activation: activation.name)
class TestActivations:
    def test_it_equals_that_of_keras(self, activation: Activation) -> None:
        expected = np.asarray(keras.activations.get(activation.name)(keras.ops.convert_to_tensor(X)))
        np.testing.assert_allclose(activation(NUMPY, X)[0], expected, rtol=1e-5, atol=1e-6)

    def test_the_slope_is_the_derivative(self, activation: Activation) -> None:
        x, step = X[np.abs(X) > 0.01], 1e-6
        expected = (activation(NUMPY, x + step)[0] - activation(NUMPY, x - step)[0]) / (2 * step)
        np.testing.assert_allclose(activation(NUMPY, x)[1], expected, atol=1e-6)

    def test_zero_is_mapped_to_zero(self, activation: Activation) -> None:
        assert activation(NUMPY, np.zeros(1))[0] == 0.0


def test_each_row_has_its_own_activation() -> None:
    activations = activation_kinds()
    index = np.arange(len(activations))[::-1, None, None]
    x = np.tile(X, (len(activations), 1, 1))
    value, slope = evaluate_by_row(NUMPY, activations, index, x)
    for row, position in enumerate(index[:, 0, 0]):
        alone = activations[position](NUMPY, X)
        np.testing.assert_array_equal(value[row, 0], alone[0])
        np.testing.assert_array_equal(slope[row, 0], alone[1])


def test_units_that_pad_a_normalised_layer_change_nothing_and_stay_zero() -> None:
    """Layers of four and of two units in an array for four, the second among empty places."""
    random, own = np.random.default_rng(0), 2
    weights, x = random.normal(size=(2, 4, 1 + 3)), random.normal(size=(2, 1 + 3, 5))
    x[:, 0], weights[1, own:] = 1.0, 0.0
    gradient = random.normal(size=(2, 4, 5))
    shares = np.stack([np.full((4, 1), 1 / 4), np.where(np.arange(4) < own, 1 / own, 0.0)[:, None]])
    layer = LAYER_NORMALIZATION.with_units(shares)
    alone, padded = slice(0, own), slice(own, None)

    def activate(z: Floats) -> Evaluated:
        return SILU(NUMPY, z)

    output, saved = layer.forward(NUMPY, weights, x, activate)
    to_inputs, to_weights = layer.backward(NUMPY, weights, x, saved, gradient)
    assert not output[1, padded].any()
    expected, saved_alone = LAYER_NORMALIZATION.forward(NUMPY, weights[1:, alone], x[1:], activate)
    np.testing.assert_allclose(output[1:, alone], expected, rtol=1e-12)
    of_inputs, of_weights = LAYER_NORMALIZATION.backward(NUMPY, weights[1:, alone], x[1:], saved_alone, gradient[1:, alone])
    np.testing.assert_allclose(to_weights[1:, alone], of_weights, rtol=1e-10)
    np.testing.assert_allclose(to_inputs[1:], of_inputs, rtol=1e-10)
