"""Encoders that scale columns equal scikit-learn's transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler

from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.types import Floats


def columns(rows: int) -> Floats:
    """Columns of several kinds: smooth, outside from zero, and with values that repeat."""
    rng = np.random.default_rng(0)
    repeated = np.clip(np.round(rng.normal(size=rows), 1), -1.5, 1.5)
    repeated[:2] = [-9.0, 9.0]
    return np.stack([rng.normal(size=rows), rng.normal(1013.0, 6.0, size=rows), repeated], axis=1)


def transformer(kind: str, rows: int) -> Any:
    """scikit-learn's own."""
    return {
        "none": FunctionTransformer(),
        "min_max": MinMaxScaler(),
        "standard": StandardScaler(),
        "robust": RobustScaler(),
        "quantile": QuantileTransformer(n_quantiles=min(1000, rows), output_distribution="normal", subsample=None),
    }[kind]


@pytest.mark.parametrize("rows", [50, 3000])
@pytest.mark.parametrize("kind", ["none", "min_max", "standard", "robust", "quantile"])
def test_a_scaler_equals_scikit_learns(kind: str, rows: int) -> None:
    training = columns(rows)
    unseen = columns(rows + 7)[::-1] * 1.01
    outside = np.array([[-1e9, -1e9, -1e9], [1e9, 1e9, 1e9], [0.0, 0.0, 0.0]])
    ends = np.stack([training.min(axis=0), training.max(axis=0)])
    encoder = encoder_kind(kind).fit(training, training)
    reference = transformer(kind, rows).fit(training)
    for values in (training, unseen, outside, ends):
        np.testing.assert_allclose(encoder.transform(values), reference.transform(values), rtol=1e-12, atol=1e-8)


@pytest.mark.parametrize("kind", ["none", "min_max", "standard", "robust"])
def test_the_inverse_restores_scaled_values(kind: str) -> None:
    training = columns(200)
    encoder = encoder_kind(kind).fit(training, training)
    values = np.concatenate([training, training * 3.0 - 1.0])
    np.testing.assert_allclose(encoder.inverse(encoder.transform(values)), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["none", "min_max", "standard", "quantile"])
def test_a_constant_column_is_scaled_to_finite_values(kind: str) -> None:
    training = np.full((20, 1), 7.0)
    scaled = encoder_kind(kind).fit(training, training).transform(np.array([[7.0], [8.0], [-8.0]]))
    assert np.isfinite(scaled).all()


def test_a_repeated_extreme_is_scaled_to_the_middle_of_its_quantiles() -> None:
    """Where a third of the rows are 0 and none is below, 0 is at quantile 1/6; scikit-learn scales it to the lowest end."""
    training = np.concatenate([np.zeros(1000), np.linspace(0.001, 1.0, 2000)])[:, None]
    scaled = encoder_kind("quantile").fit(training, training).transform(np.zeros((1, 1)))
    assert scaled[0, 0] == pytest.approx(-0.967, abs=0.005)  # the normal quantile of 1/6
    scaled_by_scikit_learn = transformer("quantile", 3000).fit(training).transform(np.zeros((1, 1)))
    assert scaled_by_scikit_learn[0, 0] == pytest.approx(-5.2, abs=0.001)


def test_a_row_is_scaled_alone_as_among_others_to_the_last_bit() -> None:
    """With values that repeat, are not known, lie outside the training rows or between them."""
    training = np.random.default_rng(0).normal(size=(1500, 1)).round(2)
    values = np.concatenate([training[:200], [[np.nan], [-9.0], [9.0], [0.0], [-0.0], [np.nan]], training[:100] + 0.003])
    encoder = encoder_kind("quantile").fit(training, training)
    alone = np.concatenate([encoder.transform(row[None]) for row in values])
    np.testing.assert_array_equal(encoder.transform(values), alone)
    assert (np.isnan(alone) == np.isnan(values)).all()


@pytest.mark.parametrize("factor", [1e-14, 1e98])
@pytest.mark.parametrize("kind", ["min_max", "standard", "quantile"])
def test_a_column_is_scaled_alike_in_every_unit(kind: str, factor: float) -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    encoder = encoder_kind(kind).fit(values * factor, values)
    np.testing.assert_allclose(
        encoder.transform(values * factor), encoder_kind(kind).fit(values, values).transform(values), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 7654])
@pytest.mark.parametrize("kind", ["smooth", "constant", "almost constant", "by columns in memory", "every second row", "gaps"])
def test_the_usual_scalers_are_scikit_learns_to_the_last_bit(kind: str, rows: int) -> None:
    rng = np.random.default_rng(rows)
    values: Floats = rng.normal(size=(rows, 4)) * [1e-8, 1.0, 20.0, 1e7] + [0.0, 1013.0, 1e9, 1e3]
    if kind == "constant":
        values[:, 1:] = [5.1, 0.0, 1e-300]
    elif kind == "almost constant":
        values[:, 1] = 5.1 + 1e-15 * rng.normal(size=rows)
    elif kind == "by columns in memory":
        values = np.asfortranarray(values)
    elif kind == "every second row":
        values = np.repeat(values, 2, axis=0)[::2]
    elif kind == "gaps" and rows > 2:
        values[1, 2] = np.nan
    standard, min_max = StandardScaler().fit(values), MinMaxScaler().fit(values)
    expected = {"standard": (standard.mean_, standard.scale_), "min_max": (min_max.data_min_, 1.0 / min_max.scale_)}
    for name, (shift, scale) in expected.items():
        fitted = encoder_kind(name).fit(values, np.zeros((rows, 1)))
        assert fitted.state == {"shift": shift.tolist(), "scale": scale.tolist()}, name
    quantile = transformer("quantile", rows).fit(values)
    assert encoder_kind("quantile").fit(values, np.zeros((rows, 1))).state == {"knots": quantile.quantiles_.T.tolist()}
