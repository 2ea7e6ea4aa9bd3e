"""One branched network as an ordinary Keras model.

`build_network` and `network_weights` have weights in the order of `types.Weights`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from branchsweep.config.kinds import DEFAULT_HEAD
from branchsweep.models.architecture import Architecture
from branchsweep.models.built_network import build_predictor
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.layers.input_factors import INPUT_FACTORS, LAYER_NAME
from branchsweep.models.layers.registry import layer_kind
from branchsweep.models.output_clipping import clipped_output
from branchsweep.types import Weights


def build_network(
    architecture: Architecture,
    inputs: int,
    weights: Weights | None = None,
    name: str | None = None,
    losses: Mapping[str, str] | None = None,
    output_ranges: Mapping[str, tuple[float, float]] | None = None,
) -> keras.Model:
    """The network as a functional Keras model over encoded inputs: `(rows, inputs)` in, a dict head → `(rows, 1)` out.

    Args:
        architecture: The network.
        inputs: Encoded input columns.
        weights: What to fill it with, Keras's own initial weights if absent.
        name: The model's; Keras gives one if absent.
        losses: By head, its loss, which names its kind; regressions if absent.
        output_ranges: By head that is clipped, the least and the greatest output.
    """
    if architecture.built:
        return _built_network(architecture, inputs, weights, name, losses or {})
    columns = scaled = keras.Input((inputs,), name="inputs")
    layers: list[Any] = []
    if architecture.input_factor_rate:
        factors = INPUT_FACTORS.keras_layer(inputs)
        scaled = factors(columns)
        layers.append(factors)

    def stack(kind: str, widths: Sequence[int], stem: str, dropout: float, read: Any) -> list[Any]:
        """What each of these layers computes, after what the first one reads."""
        tensors = [read]
        for depth, width in enumerate(widths, start=1):
            layers.append(layer_kind(kind).keras_layer(width, architecture.activation, f"{stem}_{depth}"))
            output = layers[-1](tensors[-1])
            if dropout:
                # Seeded by the layer's number, so that equal networks are saved as equal files.
                output = keras.layers.Dropout(dropout, seed=len(layers), name=f"{stem}_{depth}_dropout")(output)
            if architecture.residual and tensors[-1] is not scaled and tensors[-1].shape[-1] == width:
                output = keras.layers.Add(name=f"{stem}_{depth}_sum")([tensors[-1], output])
            tensors.append(output)
        return tensors

    trunk = stack(architecture.trunk_layer, architecture.trunk, "trunk", architecture.trunk_dropout, scaled)[1:]
    outputs: dict[str, Any] = {}
    ends: dict[str, Any] = {}
    for head, branch in architecture.branches.items():
        origin, dropout = architecture.origin(head, trunk, ends), architecture.branch_dropout(head)
        ends[head] = stack(architecture.branch_layer(head), branch, head, dropout, origin)[-1]
        kind = head_kind((losses or {}).get(head, DEFAULT_HEAD))
        units = architecture.output_units.get(head, kind.units)
        layers.append(keras.layers.Dense(units, activation=kind.output_activation, name=head))
        outputs[head] = layers[-1](ends[head])
        if output_ranges and head in output_ranges:
            outputs[head] = clipped_output(outputs[head], *output_ranges[head], name=f"{head}.range")
    model = keras.Model(columns, outputs, name=name)
    if weights is not None:
        _set_weights(layers, weights)
    return model


def _built_network(
    architecture: Architecture, inputs: int, weights: Weights | None, name: str | None, losses: Mapping[str, str]
) -> keras.Model:
    """The network of a user's builder. Arguments: see `build_network`."""
    assert architecture.built is not None, "the caller looked"
    activations = {head: head_kind(losses.get(head, DEFAULT_HEAD)).output_activation for head in architecture.branches}
    model, own = build_predictor(architecture.built, inputs, activations, architecture.units)
    if weights is not None:
        own.set_weights(list(weights))
    return keras.Model(model.input, model.output, name=name) if name else model


def _set_weights(layers: Sequence[Any], weights: Weights) -> None:
    for layer, kernel, bias in zip(layers, weights[::2], weights[1::2], strict=True):
        layer.set_weights([kernel[:, 0]] if layer.name == LAYER_NAME else [kernel, bias])


def network_weights(model: keras.Model, architecture: Architecture) -> Weights:
    """The weights of a model made by `build_network`."""
    if architecture.built:
        return tuple(model.get_weights())
    names = [f"trunk_{depth}" for depth in range(1, len(architecture.trunk) + 1)]
    for head, branch in architecture.branches.items():
        names += [*(f"{head}_{depth}" for depth in range(1, len(branch) + 1)), head]
    factors: Weights = ()
    if architecture.input_factor_rate:
        (kernel,) = model.get_layer(LAYER_NAME).get_weights()
        factors = kernel[:, None], np.zeros(1, np.float32)
    return (*factors, *(array for name in names for array in model.get_layer(name).get_weights()))
