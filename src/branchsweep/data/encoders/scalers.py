"""Fits scalers on training rows, with scikit-learn.

Applying them is `serving`'s work, for the deployed model must scale as the trainer did.
"""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from branchsweep.types import Floats, Scaler

QUANTILES = 1000
"""Knots of a quantile scaler, as many as scikit-learn's default (fewer where there are fewer rows)."""


def fit_scaler(kind: str, values: Floats) -> Scaler:
    """The scaler of this kind for the columns of `values` `(rows, columns)`.

    Args:
        kind: `none`, `min_max` (to 0..1), `standard` (mean 0, standard deviation 1) or `quantile` (to a standard normal).
        values: The training rows; nothing else may be seen.

    Returns:
        The scaler as plain values, as `serving` reads it.
    """
    columns = values.shape[1]
    if kind == "none":
        return _affine(np.zeros(columns), np.ones(columns))
    if kind == "standard":
        standard = StandardScaler().fit(values)
        return _affine(standard.mean_, standard.scale_)
    if kind == "min_max":
        min_max = MinMaxScaler().fit(values)
        return _affine(min_max.data_min_, 1.0 / min_max.scale_)
    if kind == "quantile":
        quantile = QuantileTransformer(
            n_quantiles=min(QUANTILES, len(values)), output_distribution="normal", subsample=None
        ).fit(values)
        return {"kind": "quantile", "knots": quantile.quantiles_.T.tolist()}
    raise ValueError(f"no scaling is called {kind!r}")  # the recipe's vocabulary was checked long before


def _affine(shift: Floats, scale: Floats) -> Scaler:
    return {"kind": "affine", "shift": shift.tolist(), "scale": scale.tolist()}
