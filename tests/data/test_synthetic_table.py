"""The synthetic table has the published statistics of the real table, and models score on it as on the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from branchsweep.data import synthetic_table
from branchsweep.data.digest import table_digest
from branchsweep.data.power_plant import COLUMNS, ROWS

INPUTS, HEADS = ["AT", "AP", "RH"], ["PE", "V"]

CORRELATIONS = {
    ("AT", "V"): 0.84,
    ("AT", "PE"): -0.95,
    ("V", "PE"): -0.87,
    ("AT", "RH"): -0.54,
    ("AT", "AP"): -0.51,
    ("AP", "PE"): 0.52,
    ("RH", "PE"): 0.39,
}


@pytest.fixture(scope="module")
def plant() -> pd.DataFrame:
    return pd.DataFrame(synthetic_table.synthetic_rows(), columns=pd.Index(list(COLUMNS)))


def r2(model: Any, table: pd.DataFrame) -> list[float]:
    """R² per head on the article's test rows."""
    train, test = train_test_split(table, test_size=0.2, random_state=1)
    with threadpool_limits(1):  # on a busy machine, threads that wait for each other take ten times as long
        return [float(model.fit(train[INPUTS], train[head]).score(test[INPUTS], test[head])) for head in HEADS]


def test_the_table_is_the_same_on_every_machine(plant: pd.DataFrame) -> None:
    """Pinned: two sweeps on the synthetic table are comparable only if its values never change."""
    assert table_digest(list(plant.columns), plant.to_numpy()) == (
        "70a512721e247987f8cafe8b8c81d78603deca3626207919b2647d35917e8e71"
    )
    np.testing.assert_array_equal(synthetic_table.synthetic_rows(), plant)


def test_another_seed_draws_another_table(plant: pd.DataFrame) -> None:
    other = synthetic_table.synthetic_rows(seed=1)
    assert other.shape == plant.shape == (ROWS, 5)
    assert not (other == plant.to_numpy()).all(axis=0).any()


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_column_has_the_published_statistics(plant: pd.DataFrame, name: str) -> None:
    values, published = plant[name], COLUMNS[name]
    assert published.low <= values.min() < published.low + 0.2 * published.deviation
    assert published.high - 0.2 * published.deviation < values.max() <= published.high
    assert values.mean() == pytest.approx(published.mean, rel=0.02)
    assert values.std() == pytest.approx(published.deviation, rel=0.02)
    assert values.tolist() == values.round(2).tolist()


@pytest.mark.parametrize(("first", "second"), list(CORRELATIONS))
def test_a_correlation_has_its_published_value(plant: pd.DataFrame, first: str, second: str) -> None:
    assert np.corrcoef(plant[first], plant[second])[0, 1] == pytest.approx(CORRELATIONS[first, second], abs=0.03)


def test_the_vacuum_has_one_value_a_day(plant: pd.DataFrame) -> None:
    assert 500 < plant["V"].nunique() <= synthetic_table.DAYS


@pytest.mark.parametrize(
    ("model", "expected", "tolerance"),
    [
        (LinearRegression(), [0.926, 0.746], 0.01),
        (RandomForestRegressor(100, random_state=0), [0.942, 0.818], 0.012),
        (HistGradientBoostingRegressor(random_state=0), [0.938, 0.810], 0.015),
        (make_pipeline(StandardScaler(), KNeighborsRegressor(10)), [0.9355, 0.809], 0.01),
    ],
    ids=["linear", "forest", "boosting", "neighbours"],
)
def test_a_model_scores_about_as_on_the_real_table(
    plant: pd.DataFrame, model: Any, expected: list[float], tolerance: float
) -> None:
    assert r2(model, plant) == pytest.approx(expected, abs=tolerance)


@pytest.mark.needs_table
@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        HistGradientBoostingRegressor(random_state=0),
        make_pipeline(StandardScaler(), KNeighborsRegressor(10)),
    ],
    ids=["linear", "boosting", "neighbours"],
)
def test_a_model_trained_on_either_table_has_about_the_same_score(
    plant: pd.DataFrame, real_rows: pd.DataFrame, model: Any
) -> None:
    assert r2(model, plant) == pytest.approx(r2(model, real_rows), abs=0.01)


@pytest.fixture(scope="module")
def real_rows(real_table: Path) -> pd.DataFrame:
    return pd.read_excel(real_table)
