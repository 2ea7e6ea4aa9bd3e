"""Encoding of columns by the standard normal quantile of a value's position among knots.

This file imports nothing but NumPy and SciPy: it is copied beside exported models.

    {"kind": "quantile", "knots": [[..knots..] ..columns..]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUANTILE_CLIP = 1e-7
"""Quantiles are kept this far from 0 and 1, as scikit-learn's QuantileTransformer does, so that no value becomes infinite."""


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones."""
    return np.stack([_normal(values[:, column], np.asarray(knots)) for column, knots in enumerate(fitted["knots"])], axis=1)


def _normal(values: Floats, knots: Floats) -> Floats:
    """The standard normal quantile of each value's position among the knots.

    Where a value repeats among the knots its position is the middle of them: the mean of interpolating from the left and from
    the right, as in scikit-learn's QuantileTransformer; but a least or greatest value that repeats is treated like any other,
    where scikit-learn sends it to the very end.
    """
    from scipy.special import ndtri  # noqa: PLC0415  # takes a third of a second, and showing a sweep does not need it

    positions = np.linspace(0.0, 1.0, len(knots))
    order = np.argsort(values)
    ascending = values[order]  # one after the other in the same interval: several times as fast as in any order
    left = np.interp(ascending, knots, positions)
    right = -np.interp(-ascending, -knots[::-1], -positions[::-1])
    quantiles = np.empty_like(left)
    quantiles[order] = ndtri(np.clip((left + right) / 2.0, QUANTILE_CLIP, 1.0 - QUANTILE_CLIP))
    return quantiles
