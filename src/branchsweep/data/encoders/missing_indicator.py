"""Encoding of where values are missing: 1 there, else 0.

This file imports nothing but NumPy: it is copied beside exported models.

    {"kind": "missing_indicator"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)`, NaN where a value is missing, to as many of zeros and ones."""
    del fitted
    return np.isnan(values).astype(np.float64)
