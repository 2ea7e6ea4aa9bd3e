"""A network as Keras draws it: a box per layer with its shapes, the inputs on top, the fork below the trunk."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

import keras

from branchsweep.recipe import Architecture
from branchsweep.training import network

LINE = 48
"""Letters of a line of input columns, unless one column's name is longer."""


def graph(architecture: Architecture, inputs: Sequence[str]) -> str:
    """What `keras.utils.plot_model` would draw, in the dot language. Layers have the names that they have in an exported model.

    Args:
        architecture: The network.
        inputs: The names of the input columns; the topmost box shows them.
    """
    model = network.build(architecture, len(inputs))
    drawn = keras.utils.model_to_dot(model, show_shapes=True, show_layer_names=True, show_layer_activations=True)
    # Keras forbids a slash in a layer's name, and a column may have one: so it is the picture that names them, not the model.
    columns = "<br/>".join(textwrap.wrap(html.escape(", ".join(inputs)), LINE, break_long_words=False, break_on_hyphens=False))
    return str(drawn.to_string()).replace("<b>inputs</b>", f"<b>{columns}</b>")
