"""Periodic encoding of columns: cosines and sines of the standardized value z, cos(2 pi c z) and sin(2 pi c z).

The frequencies c are the same for every column. This file imports nothing but NumPy: it is copied beside exported models.

    {"kind": "periodic", "shift": [..columns..], "scale": [..columns..], "frequencies": [0.05, 0.15]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones `(rows, columns * 2 * frequencies)`."""
    standardized = (values - np.asarray(fitted["shift"])) / np.asarray(fitted["scale"])
    angles = 2.0 * np.pi * standardized[:, :, None] * np.asarray(fitted["frequencies"])
    encoded: Floats = np.concatenate([np.cos(angles), np.sin(angles)], axis=2).reshape(len(values), -1)
    return encoded
