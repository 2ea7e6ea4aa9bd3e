"""Piecewise-linear encoding of columns: how far a value lies within each of a column's bins.

With edges b_0 < … < b_T and r_t = (x - b_{t-1}) / (b_t - b_{t-1}), the encoding of x is e_1 = min(1, r_1),
e_t = clip(r_t, 0, 1), e_T = max(0, r_T); with a single bin it is r_1 (Gorishniy, Rubachev and Babenko 2022, "On embeddings for
numerical features in tabular deep learning"). Columns with fewer bins than others are followed by zeros.

This file imports nothing but NumPy: it is copied beside exported models.

    {"kind": "piecewise_linear", "edges": [[..edges..] ..columns..], "bins": 48}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones `(rows, columns * bins)`."""
    return np.concatenate(
        [_bins(values[:, column], edges, fitted["bins"]) for column, edges in enumerate(fitted["edges"])], axis=1
    )


def _bins(values: Floats, edges: Sequence[float], width: int) -> Floats:
    """`(rows, width)` of one column."""
    encoded = np.zeros((len(values), width))
    if len(edges) < 2:
        return encoded
    low, high = np.asarray(edges[:-1]), np.asarray(edges[1:])
    ratios = (values[:, None] - low) / (high - low)
    least = np.where(np.arange(len(low)) == 0, -np.inf, 0.0)
    most = np.where(np.arange(len(low)) == len(low) - 1, np.inf, 1.0)
    encoded[:, : len(low)] = np.clip(ratios, least, most)
    return encoded
