"""Encoding of columns by (x - shift) / scale, and its inverse.

This file imports nothing but NumPy: it is copied beside exported models.

    {"kind": "affine", "shift": [..columns..], "scale": [..columns..]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones."""
    return np.asarray((values - np.asarray(fitted["shift"])) / np.asarray(fitted["scale"]), dtype=np.float64)


def inverse(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Encoded columns `(rows, columns)` back to raw ones."""
    return np.asarray(values * np.asarray(fitted["scale"]) + np.asarray(fitted["shift"]), dtype=np.float64)
