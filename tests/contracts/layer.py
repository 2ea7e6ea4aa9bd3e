"""What every kind of hidden layer must do."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.models.arrays import NUMPY
from branchsweep.models.layers.activations import Activation
from branchsweep.models.layers.layer import Activate, Layer
from branchsweep.models.layers.registry import activation_kinds
from branchsweep.types import Floats

READ, UNITS, ROWS, LAYERS = 3, 4, 7, 2


def with_activation(activation: Activation) -> Activate:
    return lambda z: activation(NUMPY, z)


class LayerContract:
    """A subclass has a fixture `layer`."""

    @pytest.fixture
    def layer(self) -> Layer:
        raise NotImplementedError

    @pytest.fixture
    def weights(self, layer: Layer) -> Floats:
        """`(S, U, 1 + V)` two layers with initial weights and random biases."""
        random = np.random.default_rng(0)
        blocks = []
        for _ in range(LAYERS):
            kernel, bias = layer.initial_weights(random, READ, UNITS)
            blocks.append(np.concatenate([(bias + layer.trainable * random.normal(size=UNITS))[:, None], kernel.T], axis=1))
        return np.stack(blocks)

    @pytest.fixture
    def x(self) -> Floats:
        """`(S, 1 + V, B)` their inputs."""
        values = np.random.default_rng(1).normal(size=(LAYERS, READ, ROWS))
        return np.concatenate([np.ones((LAYERS, 1, ROWS)), values], axis=1)

    @pytest.fixture(params=activation_kinds(), ids=lambda activation: activation.name)
    def activation(self, request: pytest.FixtureRequest) -> Activation:
        found: Activation = request.param
        return found

    def test_its_name_is_one_that_an_experiment_may_use(self, layer: Layer) -> None:
        assert layer.name in kinds.LAYERS

    def test_the_gradients_are_those_of_finite_differences(
        self, layer: Layer, weights: Floats, x: Floats, activation: Activation
    ) -> None:
        activate, step = with_activation(activation), 1e-6
        output, saved = layer.forward(NUMPY, weights, x, activate)
        gradient = np.random.default_rng(2).normal(size=output.shape)
        to_inputs, to_weights = layer.backward(NUMPY, weights, x, saved, gradient)

        def derivative(array: Floats, position: tuple[int, ...]) -> float:
            original, values = array[position], []
            for sign in (1, -1):
                array[position] = original + sign * step
                values.append((layer.forward(NUMPY, weights, x, activate)[0] * gradient).sum())
            array[position] = original
            return float((values[0] - values[1]) / (2 * step))

        for position in np.ndindex(LAYERS, READ, ROWS):
            expected = derivative(x, (position[0], 1 + position[1], position[2]))
            assert to_inputs[position] == pytest.approx(expected, abs=1e-5)
        if layer.trainable:
            for position in np.ndindex(weights.shape):
                assert to_weights[position] == pytest.approx(derivative(weights, position), abs=1e-5)

    def test_it_equals_its_keras_layer(self, layer: Layer, weights: Floats, x: Floats, activation: Activation) -> None:
        output, _ = layer.forward(NUMPY, weights, x, with_activation(activation))
        keras_layer = layer.keras_layer(UNITS, activation.name, "hidden")
        keras_layer.build((None, READ))
        keras_layer.set_weights([weights[0, :, 1:].T, weights[0, :, 0]])
        np.testing.assert_allclose(output[0], np.asarray(keras_layer(x[0, 1:].T.astype(np.float32))).T, rtol=1e-4, atol=1e-5)
        assert keras_layer.count_params() == layer.parameters(READ, UNITS)

    def test_its_keras_layer_can_be_saved_and_loaded(self, layer: Layer) -> None:
        config = keras.saving.serialize_keras_object(layer.keras_layer(UNITS, "relu", "hidden"))
        assert keras.saving.deserialize_keras_object(config, safe_mode=True).name == "hidden"

    def test_padding_units_stay_zero(self, layer: Layer, activation: Activation) -> None:
        zeros, rows = np.zeros((1, UNITS, 1 + READ)), np.zeros((1, 1 + READ, ROWS))
        rows[:, 0] = 1.0
        output, saved = layer.forward(NUMPY, zeros, rows, with_activation(activation))
        assert not output.any()
        to_inputs, _ = layer.backward(NUMPY, zeros, rows, saved, np.ones_like(output))
        assert not to_inputs.any()

    def test_its_source_makes_the_same_layer(self, layer: Layer) -> None:
        source = layer.source(UNITS, "tanh")
        arguments = ", ".join([*source.arguments, "name='hidden'"])
        layer_from_source = eval(f"{source.name}({arguments})", {"keras": keras, "np": np})  # noqa: S307
        assert layer_from_source.get_config() == layer.keras_layer(UNITS, "tanh", "hidden").get_config()

    def test_its_label_contains_the_number_of_units(self, layer: Layer) -> None:
        assert str(UNITS) in layer.label(UNITS)
