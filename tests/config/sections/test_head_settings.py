"""Heads as they are written: what goes with which task, and how a kind is named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config import kinds
from branchsweep.config.sections.heads import Head, probability_columns, quantile_columns


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"task": "quantile"}, "quantile"),
        ({"quantile": 0.9}, "quantile"),
        ({"quantiles": [0.1, 0.9]}, "quantiles"),
        ({"task": "quantile", "quantile": 0.5, "quantiles": [0.1, 0.9]}, "quantiles"),
        ({"task": "quantile", "quantiles": [0.9, 0.1]}, "quantiles"),
        ({"task": "quantile", "quantiles": [0.5, 0.5]}, "quantiles"),
        ({"task": "quantile", "quantiles": [0.5, 0.50000001]}, "quantiles"),
        ({"task": "quantile", "quantiles": [0.5]}, "quantiles"),
        ({"task": "multiclass", "classes": ["a", "b"]}, "classes"),
        ({"task": "multiclass", "classes": ["a", "b", "a"]}, "classes"),
        ({"task": "binary", "classes": ["a", "b", "c"]}, "classes"),
        ({"task": "multiclass", "positive": "a"}, "positive"),
        ({"task": "count", "class_weight": "balanced"}, "class_weight"),
        ({"task": "binary", "class_weight": {"a": 0}}, "class_weight"),
        ({"task": "binary", "class_weight": "even"}, "class_weight"),
        ({"task": "multiclass", "loss": "mae"}, "loss"),
        ({"loss": "sparse_categorical_crossentropy"}, "loss"),
    ],
)
def test_a_key_that_does_not_go_with_the_task_is_named(written: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Head.model_validate(written)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("written", "kind", "units"),
    [
        ({}, "mse", 1),
        ({"task": "binary", "classes": ["a", "b"]}, "binary", 1),
        ({"task": "multiclass", "classes": ["a", "b", "c"]}, "multiclass(3)", 3),
        ({"task": "quantile", "quantile": 0.9}, "quantile(0.9)", 1),
        ({"task": "quantile", "quantiles": [0.1, 0.5, 0.9]}, "quantile(0.1, 0.5, 0.9)", 3),
    ],
)
def test_the_name_of_a_kind_says_how_many_units_it_has(written: dict[str, Any], kind: str, units: int) -> None:
    head = Head.model_validate(written)
    assert (head.kind, kinds.output_units(head.kind)) == (kind, units)


def test_columns_of_predictions_are_named_by_class_and_level() -> None:
    assert probability_columns("trip", ["no", "yes"]) == ["trip_probability"]
    assert probability_columns("state", ["a", "b", "c"]) == [f"state_probability_{label}" for label in "abc"]
    assert quantile_columns("V", [0.05, 0.5, 0.975]) == ["V_q5", "V_q50", "V_q97.5"]
