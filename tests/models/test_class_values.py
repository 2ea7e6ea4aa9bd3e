"""Predicted classes are what the table has: booleans, numbers or texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from branchsweep.data.encoders.categories import category_label
from branchsweep.models.serving import class_values, predicted_classes


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([False, True], [False, True]),
        ([1, 2, -3], [1, 2, -3]),
        ([1.0, 2.0], [1, 2]),
        ([0.5, 1.5, 2.5], [0.5, 1.5, 2.5]),
        ([0.5, 1, 1e20], [0.5, 1.0, 1e20]),
        (["007", "01", "2"], [7, 1, 2]),
        (["007", "x"], ["7", "x"]),
        (["①", "②", "--5"], ["①", "②", "--5"]),
        (["٣", "4"], [3, 4]),
        (["1_000", "inf"], ["1_000", "inf"]),
        (["True", "perhaps"], ["True", "perhaps"]),
    ],
)
def test_classes_are_numbers_or_booleans_where_all_of_the_head_are(cells: list[Any], values: list[Any]) -> None:
    labels = [str(category_label(cell)) for cell in cells]
    found = class_values(labels)
    assert [(value, type(value)) for value in found] == [(value, type(value)) for value in values]
    assert [category_label(value) for value in found] == labels


def test_the_likeliest_class_of_a_row_without_probabilities_is_missing() -> None:
    codes = ["0.5", "1.5", "2.5"]
    predicted = predicted_classes(np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]), codes)
    assert np.asarray(predicted).dtype == np.float64 and list(predicted) == [1.5, 0.5]
    assert list(predicted_classes(np.array([[np.nan] * 3, [0.1, 0.1, 0.8]]), codes)) == [None, 2.5]
    assert list(predicted_classes(np.array([[0.4], [0.6]]), ["no", "yes"])) == ["no", "yes"]
