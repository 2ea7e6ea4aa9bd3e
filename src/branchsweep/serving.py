"""The deployed model: a table of raw inputs in, a table with one column per head in natural units out.

This file travels with every registered model (MLflow runs it where the model is loaded), so it imports nothing of ours.
Beside it lie two files: `model.keras`, an ordinary Keras model over scaled inputs with one named output per head, and
`serving.json`:

    {"inputs": ["AT", "AP", "RH"],
     "heads": [{"name": "PE", "unit": "MW"}, …],
     "input_scaler": SCALER, "target_scaler": SCALER}

where SCALER says how one column c becomes a scaled one:

    {"kind": "affine", "shift": [..c..], "scale": [..c..]}      (x - shift) / scale
    {"kind": "quantile", "knots": [[..q..] ..c..]}              the standard normal quantile of x's place among the knots
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Scaler = dict[str, Any]
Floats = NDArray[np.float64]

TAIL = 1e-7
"""Quantiles are kept this far from 0 and 1, as scikit-learn's QuantileTransformer does, so that no value becomes infinite."""


def transform(scaler: Scaler, values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to scaled ones."""
    if scaler["kind"] == "affine":
        return np.asarray((values - np.asarray(scaler["shift"])) / np.asarray(scaler["scale"]), dtype=np.float64)
    return np.stack([_normal(values[:, column], np.asarray(knots)) for column, knots in enumerate(scaler["knots"])], axis=1)


def inverse(scaler: Scaler, values: Floats) -> Floats:
    """Scaled columns `(rows, columns)` back to raw ones; only affine scalers are ever inverted (targets)."""
    return np.asarray(values * np.asarray(scaler["scale"]) + np.asarray(scaler["shift"]), dtype=np.float64)


def _normal(values: Floats, knots: Floats) -> Floats:
    """The standard normal quantile of each value's place among the knots.

    Where a value repeats among the knots its place is the middle of them: the mean of interpolating from the left and from
    the right (scikit-learn, QuantileTransformer).
    """
    places = np.linspace(0.0, 1.0, len(knots))
    left = np.interp(values, knots, places)
    right = -np.interp(-values, -knots[::-1], -places[::-1])
    clipped: Floats = ndtri(np.clip((left + right) / 2.0, TAIL, 1.0 - TAIL))
    return clipped
