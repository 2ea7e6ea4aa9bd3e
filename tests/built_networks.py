"""Functions that build networks, as users write them in a module of their own, and wrong ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import keras


def residual(hyperparameters: Mapping[str, Any], inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Residual blocks with dropout, and a linear output for each head; it fails for 13 units."""
    if hyperparameters["units"] == 13:
        raise ValueError("13 units bring bad luck")
    columns = keras.Input((inputs,))
    x = keras.layers.Dense(hyperparameters["units"], activation="tanh")(columns)
    for _ in range(hyperparameters.get("blocks", 1)):
        y = keras.layers.Dropout(0.1)(keras.layers.Dense(hyperparameters["units"], activation="relu")(x))
        x = keras.layers.Add()([x, y])
    return keras.Model(columns, {head: keras.layers.Dense(units)(x) for head, units in heads.items()})


def _heads(columns: Any, heads: Mapping[str, int]) -> dict[str, Any]:
    return {head: keras.layers.Dense(units)(columns) for head, units in heads.items()}


def nothing(*_: Any) -> None:
    """Returns nothing."""


def unnamed(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Returns a list of outputs."""
    columns = keras.Input((inputs,))
    return keras.Model(columns, [*_heads(columns, heads).values()])


def one_head(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Forgets all heads but the first."""
    columns = keras.Input((inputs,))
    return keras.Model(columns, _heads(columns, dict([*heads.items()][:1])))


def other_inputs(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Reads one column more."""
    columns = keras.Input((inputs + 1,))
    return keras.Model(columns, _heads(columns, heads))


def other_units(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Has two units for each head."""
    columns = keras.Input((inputs,))
    return keras.Model(columns, _heads(columns, dict.fromkeys(heads, 2)))


def sigmoids(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Has outputs that are probabilities."""
    columns = keras.Input((inputs,))
    ends = [keras.layers.Dense(1, "sigmoid"), keras.layers.Dense(1)]
    return keras.Model(columns, {head: end(columns) for head, end in zip(heads, ends, strict=True)})


def softmax_last(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Has outputs with a layer that makes probabilities of them."""
    columns = keras.Input((inputs,))
    return keras.Model(columns, {head: keras.layers.Softmax()(keras.layers.Dense(1)(columns)) for head in heads})


class Doubled(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """A layer of the user's own."""

    def call(self, x: Any) -> Any:
        """Twice the input."""
        return 2 * x


def own_layer(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Has a layer that no other process knows."""
    columns = keras.Input((inputs,))
    return keras.Model(columns, _heads(Doubled()(columns), heads))


def failing(*_: Any) -> keras.Model:
    """Fails for every trial."""
    raise ZeroDivisionError("always")


def ending(*_: Any) -> keras.Model:
    """Ends the process."""
    sys.exit(3)


def untidy(_: Any, inputs: int, heads: Mapping[str, int]) -> keras.Model:
    """Prints, and changes the working directory and the precision of Keras's layers."""
    print("building")  # noqa: T201  # as users do
    os.chdir("/")
    keras.config.set_dtype_policy("mixed_bfloat16")
    columns = keras.Input((inputs,))
    return keras.Model(columns, _heads(columns, heads))
