"""Types that every part of the package shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Positions = NDArray[np.intp]
"""Positions of rows, from 0; or labels of rows, equal for rows that belong together."""

Fold = tuple[Positions, Positions]
"""The positions of the rows to train on, and of those to validate or test on."""

Weights = tuple[NDArray[np.float32], ...]
"""A network's weights, layer by layer: kernel `(in, out)` and bias `(out,)` of the factors of the inputs if it has any (see
`models/layers/input_factors.py`), of the trunk from the inputs on, then head by head of its branch and its output."""

Scaler = dict[str, Any]
"""A fitted scaler as plain values, as `models.serving` reads it."""


class SourceCall(NamedTuple):
    """A call in generated code: `name(arguments)`.

    Args:
        name: What is called, such as `MinMaxScaler` or `keras.layers.Dense`.
        arguments: Its arguments as source.
        module: The module that `name` is imported from; empty where it is a name below `keras` or `np`, or defined by the code.
        definition: Where no module has it, the code that defines it, in lines of at most 88 characters; it may use `np`.
        uses: What the definition imports.
    """

    name: str
    arguments: tuple[str, ...] = ()
    module: str = ""
    definition: str = ""
    uses: tuple[SourceCall, ...] = ()
