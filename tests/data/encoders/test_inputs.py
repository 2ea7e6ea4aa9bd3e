"""Columns of all kinds are encoded as scikit-learn and pandas encode them, from the training rows alone."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from branchsweep.config.sections.columns import NUMERIC, Column, DatePart
from branchsweep.data.encoders import date_parts, piecewise_linear
from branchsweep.data.encoders.categories import UNKNOWN, category_codes, category_label
from branchsweep.data.encoders.inputs import InputEncoder, InputEncoding, encoders_of, fitted_inputs_from_json
from branchsweep.data.encoders.registry import encoder_kind, fitted_from_json
from branchsweep.data.encoders.waves import FREQUENCIES
from branchsweep.types import Floats

STANDARD = InputEncoding("standard")
SEASON = Column(kind="categorical", categories=["autumn", "spring", "summer", "winter"], has_gaps=True)
WHEN = Column(kind="date", parts=["month", "hour", "year"])
FILLED, POINTED = Column(kind="numeric", missing="mean"), Column(kind="numeric", missing="indicator")


def gappy(rows: int, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < 0.2, np.nan, rng.normal(5.0, 2.0, rows))


def targets(rows: int) -> Floats:
    return np.random.default_rng(9).normal(size=(rows, 2))


def test_categories_equal_scikit_learns_one_hot_columns() -> None:
    texts = np.array(["spring", "winter", None, "spring", "summer"], dtype=object)
    unseen = np.array(["winter", "autumn", "monsoon", None, "spring"], dtype=object)  # nobody trained on autumn
    codes = [category_codes(cells, SEASON.categories or [])[:, None] for cells in (texts, unseen)]
    assert codes[1][2, 0] == UNKNOWN
    fitted = InputEncoder((SEASON,), STANDARD).fit(codes[0], targets(5))
    reference = OneHotEncoder(
        categories=[["autumn", "spring", "summer", "winter", "missing"]], handle_unknown="ignore", sparse_output=False
    )
    reference.fit(np.where(texts == None, "missing", texts)[:, None])  # noqa: E711  # of an array
    expected = reference.transform(np.array(["winter", "other", "monsoon", "missing", "spring"], dtype=object)[:, None])
    np.testing.assert_array_equal(fitted.transform(codes[1]), expected)


def test_many_categories_are_hashed_into_few_columns() -> None:
    labels = [f"c{number}" for number in range(200)]
    column = Column(kind="categorical", categories=labels)
    encoder = InputEncoder((column,), InputEncoding("standard", one_hot_limit=64, hash_columns=8))
    codes = np.arange(200.0)[:, None]
    encoded = encoder.fit(codes, targets(200)).transform(codes)
    assert encoded.shape == (200, 8) == (200, encoder.width)
    np.testing.assert_array_equal(encoded.sum(axis=1), 1.0)
    assert (encoded.sum(axis=0) > 0).all()
    assert not encoder.fit(codes, targets(200)).transform(np.array([[UNKNOWN]])).any()


def test_gaps_are_filled_with_the_means_of_the_training_rows_and_pointed_out() -> None:
    x = np.stack([gappy(100), gappy(100, 1), np.linspace(0, 1, 100)], axis=1)
    train, unseen = x[:80], x[80:]
    fitted = InputEncoder((FILLED, POINTED, NUMERIC), STANDARD).fit(train, targets(80))
    imputer = SimpleImputer().fit(train)
    scaled = StandardScaler().fit(imputer.transform(train)).transform(imputer.transform(unseen))
    where = MissingIndicator(features="all").fit(train[:, [1]]).transform(unseen[:, [1]])
    np.testing.assert_allclose(fitted.transform(unseen), np.concatenate([scaled, where], axis=1), rtol=1e-12, atol=1e-12)


def test_dates_are_encoded_by_their_parts() -> None:
    times = pd.Series(pd.to_datetime(["2020-02-29 13:30", "1969-12-31 23:00", "2024-12-31 00:00", "2021-07-04 06:15"]))
    parts: list[DatePart] = ["month", "day_of_year", "day_of_month", "day_of_week", "hour", "minute", "year", "elapsed"]
    column = Column(kind="date", parts=parts)
    x = date_parts.seconds(times)[:, None]
    encoded = InputEncoder((column,), STANDARD).fit(x, targets(4)).transform(x)
    hours = times.dt.hour + times.dt.minute / 60
    cyclic = [
        ((times.dt.month - 1), 12),
        (times.dt.day_of_year - 1, 365.25),
        (times.dt.day - 1, 31),
        (times.dt.day_of_week, 7),
        (hours, 24),
        (times.dt.minute, 60),
    ]
    expected = [wave(2 * np.pi * np.asarray(value, float) / period) for value, period in cyclic for wave in (np.sin, np.cos)]
    numbers = np.stack([times.dt.year, x[:, 0]], axis=1).astype(float)
    np.testing.assert_allclose(encoded, np.column_stack([*expected, StandardScaler().fit_transform(numbers)]), atol=1e-9)


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(["2024-03-01", "2024-03-01T12:30:00", "2024-03-01 12:30", "2024-03-01T13:30:00+01:00", "soon", None, 5]),
        pd.Series([*map(pd.Timestamp, ["2024-03-01", *["2024-03-01 12:30"] * 3]), None, None, None], dtype=object),
    ],
    ids=["texts", "times"],
)
def test_dates_are_read_from_texts_and_times(cells: pd.Series) -> None:
    noon = pd.Timestamp("2024-03-01 12:30").timestamp()
    np.testing.assert_array_equal(
        date_parts.seconds(cells), [pd.Timestamp("2024-03-01").timestamp(), noon, noon, noon, np.nan, np.nan, np.nan]
    )


def test_a_missing_date_has_no_encoding() -> None:
    x = np.array([[0.0], [1e9], [np.nan]])
    encoded = InputEncoder((WHEN,), STANDARD).fit(x[:2], targets(2)).transform(x)
    assert np.isfinite(encoded[:2]).all() and np.isnan(encoded[2]).all()


def by_definition(value: float, edges: list[float]) -> list[float]:
    """Gorishniy et al. 2022, bin by bin."""
    last, encoded = len(edges) - 2, []
    for number, (low, high) in enumerate(pairwise(edges)):
        ratio = (value - low) / (high - low)
        if number > 0:
            ratio = max(0.0, ratio)
        if number < last:
            ratio = min(1.0, ratio)
        encoded.append(ratio)
    return encoded


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6, unique=True).map(sorted).filter(lambda e: min(np.diff(e)) > 1e-6),
    st.floats(-2e3, 2e3),
)
def test_piecewise_linear_encoding_is_its_definition(edges: list[float], value: float) -> None:
    fitted = {"edges": [edges], "bins": 7}
    encoded = piecewise_linear.transform(fitted, np.array([[value]]))
    expected = by_definition(value, edges)
    np.testing.assert_allclose(encoded[0], expected + [0.0] * (7 - len(expected)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["piecewise_linear", "piecewise_linear_tree"])
def test_bins_stand_beside_the_quantile_scaled_value(name: str) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(400, 2)), rng.normal(size=(400, 2))
    encoder = InputEncoder((NUMERIC, NUMERIC), InputEncoding(name, bins=5))
    encoded = encoder.fit(x, y).transform(x)
    assert encoded.shape == (400, 2 * (1 + 5)) and encoder.width == 12
    np.testing.assert_array_equal(encoded[:, :2], encoder_kind("quantile").fit(x, y).transform(x))


def test_quantile_bins_have_equally_many_rows_and_tree_bins_follow_the_targets() -> None:
    x = np.linspace(0.0, 1.0, 1001)[:, None]
    step = (x > 0.3).astype(float)
    by_quantile = InputEncoder((NUMERIC,), InputEncoding("piecewise_linear", bins=4)).fit(x, step)
    by_tree = InputEncoder((NUMERIC,), InputEncoding("piecewise_linear_tree", bins=2)).fit(x, step)
    np.testing.assert_allclose(encoders_of(by_quantile)[1].state["edges"][0], [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(encoders_of(by_tree)[1].state["edges"][0], [0.0, 0.3, 1.0], atol=1e-3)


def test_tree_bins_follow_heads_that_are_never_measured_together() -> None:
    x = np.linspace(0.0, 1.0, 200)[:, None]
    step = np.where(x < 0.3, 0.0, 1.0)
    y = np.where(np.arange(200)[:, None] % 2 == [0, 1], step, np.nan)
    apart, together = (
        InputEncoder((NUMERIC,), InputEncoding("piecewise_linear_tree", bins=2)).fit(x, targets) for targets in (y, step)
    )
    np.testing.assert_array_equal(apart.transform(x), together.transform(x))


def test_tree_bins_need_no_target_that_is_not_known() -> None:
    x = np.linspace(0.0, 1.0, 300)[:, None]
    y = np.where(np.arange(300)[:, None] % 3 == 0, np.nan, (x > 0.5).astype(float))
    fitted = InputEncoder((NUMERIC,), InputEncoding("piecewise_linear_tree", bins=2)).fit(x, y)
    assert encoders_of(fitted)[1].state["edges"][0][1] == pytest.approx(0.5, abs=0.01)


def test_numbers_without_gaps_are_recorded_as_before() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    fitted = InputEncoder((NUMERIC,) * 3, STANDARD).fit(x, targets(50))
    assert fitted.to_json() == encoder_kind("standard").fit(x, targets(50)).to_json()
    np.testing.assert_array_equal(fitted_from_json(fitted.to_json()).transform(x), fitted.transform(x))


COLUMNS: dict[str, Column] = {
    "number": NUMERIC,
    "filled": FILLED,
    "pointed": POINTED,
    "category": SEASON,
    "hashed": Column(kind="categorical", categories=[f"c{number}" for number in range(9)]),
    "date": WHEN,
}


def raw(name: str, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Values of a column of this kind."""
    if name in ("category", "hashed"):
        codes = rng.integers(-1, len(COLUMNS[name].categories or []), rows).astype(float)
        return np.where(rng.random(rows) < 0.2, np.nan, codes) if name == "category" else codes
    if name == "date":
        return rng.uniform(0.0, 2e9, rows)
    values = rng.normal(size=rows)
    return values if name == "number" else np.where(rng.random(rows) < 0.2, np.nan, values)


@given(
    st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=6),
    st.sampled_from(["none", "quantile", "piecewise_linear"]),
    st.integers(0, 1000),
)
def test_any_columns_are_encoded_row_by_row_to_the_width_that_is_known_before(
    names: list[str], scaling: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = np.stack([raw(name, 30, rng) for name in names], axis=1)
    encoder = InputEncoder(
        tuple(COLUMNS[name] for name in names), InputEncoding(scaling, bins=3, one_hot_limit=5, hash_columns=4)
    )
    fitted = encoder.fit(x, targets(30))
    encoded = fitted.transform(x)
    assert encoded.shape == (30, encoder.width) and np.isfinite(encoded).all()
    np.testing.assert_array_equal(fitted.transform(x[7:9]), encoded[7:9])
    again = fitted_inputs_from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again.transform(x), encoded)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (3, "3"),
        (3.0, "3"),
        ("3", "3"),
        ("03", "3"),
        (" 3.5 ", "3.5"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
        (True, "True"),
        ("True", "True"),
        ("true", "True"),
        ("FALSE", "False"),
        ("a b ", "a b"),
        ("", None),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
    ],
)
def test_a_category_is_the_same_however_a_table_has_it(cell: object, label: str | None) -> None:
    assert category_label(cell) == label


def test_one_and_zero_stand_for_true_and_false() -> None:
    np.testing.assert_array_equal(category_codes([1, 0, "1", True, "false"], ["False", "True"]), [1, 0, 1, 1, 0])
    np.testing.assert_array_equal(category_codes([1, True, [1]], ["1", "True"]), [0, 1, UNKNOWN])


def test_a_column_may_have_an_encoder_of_its_own() -> None:
    x = np.random.default_rng(0).normal(5.0, 2.0, (50, 3))
    columns = (NUMERIC, Column(kind="numeric", input_scaling="min_max"), NUMERIC)
    encoder = InputEncoder(columns, STANDARD)
    encoded = encoder.fit(x, targets(50)).transform(x)
    own = encoder_kind("min_max").fit(x[:, [1]], targets(50)).transform(x[:, [1]])
    others = encoder_kind("standard").fit(x[:, [0, 2]], targets(50)).transform(x[:, [0, 2]])
    np.testing.assert_array_equal(encoded, np.concatenate([others, own], axis=1))


def test_periodic_encoding_has_cosines_and_sines_beside_the_standardized_value() -> None:
    x = np.array([[1.0], [3.0], [5.0]])
    encoder = InputEncoder((NUMERIC,), InputEncoding("periodic"))
    encoded = encoder.fit(x, x).transform(x)
    assert encoded.shape == (3, encoder.width) == (3, 9)
    z = (x[:, 0] - 3.0) / x.std()
    waves = [wave(2 * np.pi * c * z) for wave in (np.cos, np.sin) for c in FREQUENCIES]
    np.testing.assert_allclose(np.sort(encoded, axis=1), np.sort(np.stack([z, *waves], axis=1), axis=1), rtol=1e-12)
