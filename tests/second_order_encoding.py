"""What an encoder of a test computes: all columns, and all products of two of them, as scikit-learn's PolynomialFeatures does.

It imports NumPy alone: it is copied beside exported models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def transform(fitted: Mapping[str, Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(rows, columns)` to `(rows, columns + columns (columns + 1) / 2)`."""
    columns = values.shape[1]
    products = [values[:, i] * values[:, j] for i in range(columns) for j in range(i, columns)]
    encoded: NDArray[np.float64] = np.column_stack([values, *products]) / fitted["divisor"]
    return encoded
