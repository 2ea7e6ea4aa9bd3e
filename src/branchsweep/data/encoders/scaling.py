"""The encoders that scale each column by itself as scikit-learn does: by it where values have gaps, else to the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from branchsweep.data.encoders import affine, quantile
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.types import Floats, SourceCall

QUANTILES = 1000
"""Knots of a quantile encoder, as many as scikit-learn's default (fewer where there are fewer rows)."""


def _fit_none(values: Floats, _: Floats) -> Mapping[str, Any]:
    columns = values.shape[1]
    return _affine(np.zeros(columns), np.ones(columns))


def _has_no_gaps(values: Floats) -> bool:
    """Whether these are plain numbers, for which a mean or an end needs no scikit-learn: its import takes a worker a second."""
    return bool(values.dtype == np.float64 and len(values) and np.isfinite(values).all())


def _fit_min_max(values: Floats, _: Floats) -> Mapping[str, Any]:
    if _has_no_gaps(values):
        return _affine(*_low_and_extent(values))
    from sklearn.preprocessing import MinMaxScaler  # noqa: PLC0415  # a kind imports no heavy library

    fitted = MinMaxScaler().fit(values)
    return _affine(fitted.data_min_, 1.0 / fitted.scale_)


def _fit_standard(values: Floats, _: Floats) -> Mapping[str, Any]:
    if _has_no_gaps(values):
        return _affine(*_mean_and_scale(values))
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  # as above

    fitted = StandardScaler().fit(values)
    return _affine(fitted.mean_, fitted.scale_)


def _mean_and_scale(values: Floats) -> tuple[Floats, Floats]:
    """Mean and scale by column of values without gaps: scikit-learn's `StandardScaler`, to the last bit.

    The variance is the corrected two-pass algorithm's (Chan, Golub and LeVeque 1983); a column whose variance is within its
    error bounds is constant, and has the scale 1.
    """
    count, eps = len(values), float(np.finfo(np.float64).eps)
    mean = values.sum(axis=0) / count
    deviations = values - mean
    variance = ((deviations**2).sum(axis=0) - deviations.sum(axis=0) ** 2 / count) / count
    is_constant = variance <= count * eps * variance + (count * mean * eps) ** 2
    return mean, np.where(is_constant, 1.0, np.sqrt(variance))


def _low_and_extent(values: Floats) -> tuple[Floats, Floats]:
    """The lowest value and the extent by column of values without gaps: scikit-learn's `MinMaxScaler`, to the last bit."""
    low = values.min(axis=0)
    extent = values.max(axis=0) - low
    extent[extent < 10 * np.finfo(np.float64).eps] = 1.0
    return low, 1.0 / (1.0 / extent)


def _fit_robust(values: Floats, _: Floats) -> Mapping[str, Any]:
    from sklearn.preprocessing import RobustScaler  # noqa: PLC0415  # as above

    fitted = RobustScaler().fit(values)
    return _affine(fitted.center_, fitted.scale_)


def _fit_quantile(values: Floats, _: Floats) -> Mapping[str, Any]:
    if _has_no_gaps(values):
        shares = np.linspace(0, 1, min(QUANTILES, len(values))) * 100
        return {"knots": np.maximum.accumulate(np.percentile(values, shares, axis=0)).T.tolist()}
    from sklearn.preprocessing import QuantileTransformer  # noqa: PLC0415  # as above

    fitted = QuantileTransformer(n_quantiles=min(QUANTILES, len(values)), output_distribution="normal", subsample=None)
    return {"knots": fitted.fit(values).quantiles_.T.tolist()}


def _affine(shift: Floats, scale: Floats) -> Mapping[str, Any]:
    return {"shift": shift.tolist(), "scale": scale.tolist()}


def _source(name: str, *arguments: str) -> SourceCall:
    return SourceCall(name, arguments, "sklearn.preprocessing")


NONE = Encoder("none", _fit_none, affine, None)
"""Values as they are."""

MIN_MAX = Encoder("min_max", _fit_min_max, affine, _source("MinMaxScaler"))
"""To 0..1."""

STANDARD = Encoder("standard", _fit_standard, affine, _source("StandardScaler"))
"""To mean 0 and standard deviation 1."""

ROBUST = Encoder("robust", _fit_robust, affine, _source("RobustScaler"))
"""To median 0 and a distance of 1 between the quartiles."""

QUANTILE = Encoder(
    "quantile",
    _fit_quantile,
    quantile,
    _source("QuantileTransformer", "n_quantiles=min(1000, len(train))", 'output_distribution="normal"', "subsample=None"),
)
"""To a standard normal distribution."""
