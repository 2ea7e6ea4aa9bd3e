"""Clipping predictions to the range of the training targets (the hyperparameter `output_clipping`).

Only what is predicted is clipped: training goes on outside the range, where a clipped output would have no gradient. Outputs
of heads with an output activation are limited by it, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchsweep.models.heads.head import Head
from branchsweep.types import Floats


def output_range(heads: Sequence[Head], targets: NDArray[Any], weights: Floats | None = None) -> NDArray[np.float32]:
    """`(2, heads)` the least and the greatest encoded target of each head; infinite for heads that are not clipped.

    Args:
        heads: The kinds of the heads.
        targets: `(rows, heads)` the training targets, encoded.
        weights: `(rows, heads)`, 0 where a target does not count; None where all count.
    """
    counted = np.isfinite(targets) if weights is None else weights > 0
    is_clipped = np.array([is_linear(head) for head in heads]) & counted.any(axis=0)
    low = np.where(is_clipped, np.min(targets, axis=0, where=counted, initial=np.inf), -np.inf)
    high = np.where(is_clipped, np.max(targets, axis=0, where=counted, initial=-np.inf), np.inf)
    return np.stack([low, high]).astype(np.float32)


def ranges_by_head(names: Iterable[str], ends: NDArray[np.float32]) -> dict[str, tuple[float, float]]:
    """By head that is clipped, the least and the greatest output, of an `output_range`."""
    pairs = zip(names, ends.T.tolist(), strict=True)
    return {name: (low, high) for name, (low, high) in pairs if low > -np.inf}


def is_linear(head: Head) -> bool:
    """Whether the raw output of a head is its prediction."""
    return head.output_activation == "linear"


def clipped_output(output: Any, low: float, high: float, name: str) -> Any:
    """The output of a Keras model, clipped; Keras alone loads the model.

    Args:
        output: A symbolic tensor.
        low: The least value.
        high: The greatest value.
        name: Of the operation. Keras would number it by those that the process has made before.
    """
    import keras  # noqa: PLC0415  # the compiled program needs the numbers alone

    clipped = keras.ops.clip(output, low, high)
    clipped._keras_history.operation.name = name  # noqa: SLF001  # functions of `keras.ops` take no name
    return clipped
