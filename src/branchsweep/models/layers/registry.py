"""Layers and activations by name."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.config import kinds
from branchsweep.models.layers.activations import GELU, LEAKY_RELU, MISH, RELU, SILU, TANH, Activation
from branchsweep.models.layers.dense import DENSE
from branchsweep.models.layers.layer import Layer
from branchsweep.models.layers.layer_normalization import LAYER_NORMALIZATION

_LAYERS: kinds.KindRegistry[Layer] = kinds.KindRegistry(kinds.LAYERS, (DENSE, LAYER_NORMALIZATION))

_ACTIVATIONS: kinds.KindRegistry[Activation] = kinds.KindRegistry(kinds.ACTIVATIONS, (RELU, SILU, TANH, GELU, MISH, LEAKY_RELU))


def register_layer(layer: Layer) -> None:
    """Offer a kind of layer more: experiments may name it as `trunk.layer` or `branch.layer`.

    Worker processes import the module that calls this function, so it should be called when that module is imported. A script
    or notebook that runs a sweep is not such a module.
    """
    _LAYERS.register(layer, kinds.registering_module())


def unregister_layer(name: str) -> None:
    """Offer a kind no longer."""
    _LAYERS.unregister(name)


def register_activation(activation: Activation) -> None:
    """Offer an activation more: experiments may name it as `activation`. Keras must know it by its name.

    Worker processes import the module that calls this function, so it should be called when that module is imported. A script
    or notebook that runs a sweep is not such a module.
    """
    _ACTIVATIONS.register(activation, kinds.registering_module())


def unregister_activation(name: str) -> None:
    """Offer an activation no longer."""
    _ACTIVATIONS.unregister(name)


def layer_kind(name: str) -> Layer:
    """The kind of layer with this name."""
    return _LAYERS[name]


def layers_of(names: Iterable[str]) -> tuple[Layer, ...]:
    """The kinds of layers with these names, in order."""
    return tuple(_LAYERS[name] for name in names)


def layer_kinds() -> list[Layer]:
    """Every kind of layer."""
    return list(_LAYERS)


def activation_kinds() -> list[Activation]:
    """Every activation."""
    return list(_ACTIVATIONS)


def activations_of(names: Iterable[str]) -> tuple[Activation, ...]:
    """The activations with these names, in order."""
    return tuple(_ACTIVATIONS[name] for name in names)
