"""Distributions of inputs over bins and categories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.data.distributions import BINS, Distribution, distribution

SEASON = Column(kind="categorical", categories=["summer", "winter"], has_gaps=True)
CELLS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60)


def test_numbers_are_cut_into_tenths() -> None:
    found = distribution(np.random.default_rng(0).permutation(1000).astype(float), NUMERIC)
    assert found.counts == (*[100] * BINS, 0)
    assert found.rows == 1000


@given(CELLS, CELLS)
def test_every_row_is_counted_once(training: list[float | None], other: list[float | None]) -> None:
    values, others = (np.array(cells, dtype=float) for cells in (training, other))
    found = distribution(values, NUMERIC)
    there = found.of_other_rows(others)
    assert (found.rows, there.rows) == (len(values), len(others))
    assert found.counts[-1] == np.isnan(values).sum()
    assert found.of_other_rows(values) == found
    assert min(found.counts[:-1]) > 0 or np.isnan(values).all()


def test_a_number_of_few_values_has_fewer_bins() -> None:
    found = distribution(np.array([0.0] * 7 + [1.0] * 3), NUMERIC)
    assert found == Distribution((7, 3, 0), (0.0,))
    assert found.of_other_rows(np.array([0.5, -3.0, np.nan])) == Distribution((1, 1, 1), (0.0,))


@pytest.mark.parametrize("unknown", [np.nan, -1.0])
def test_a_category_is_counted_by_its_position_and_others_together(unknown: float) -> None:
    found = distribution(np.array([0.0, 1.0, 1.0, unknown]), SEASON)
    assert found == Distribution((1, 2, 1))
