"""The result of an outer cross-validation in terminals of several widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from branchsweep.reporting.mlflow_descriptions import nested_description
from branchsweep.reporting.text.cross_validation import render_cross_validation
from branchsweep.workflows.records.cross_validation_result import (
    ByHead,
    CrossValidationResult,
    OuterFold,
    mean_over_folds,
    paired_differences,
)

HEADS = {f"a head with a long name {number}": "r2" for number in range(3)}


def metrics(level: float) -> ByHead:
    return {
        head: {"r2": level - 0.01 * number, "rmse": 12.5 * number, "mae": 1.0, "rrmse": (1 - level) ** 0.5}
        for number, head in enumerate(HEADS)
    }


def example(without_model: bool = False) -> CrossValidationResult:
    folds = tuple(
        OuterFold(
            number,
            f"plant-fold-{number}",
            "0123456789",
            number,
            {},
            {} if without_model and number == 2 else metrics(0.9 + number / 100),
            {"linear regression": metrics(0.8 + number**2 / 1000)},
            61.0,
            100,
        )
        for number in range(1, 5)
    )
    baselines = {"linear regression": mean_over_folds([fold.baselines["linear regression"] for fold in folds], HEADS)}
    return CrossValidationResult(
        "plant",
        "r",
        {"source": "file", "rows": 400, "location": "plant.csv"},
        folds,
        mean_over_folds([fold.metrics for fold in folds if fold.metrics], HEADS),
        baselines,
        {"linear regression": paired_differences(folds, "linear regression", HEADS)},
        HEADS,
        244.0,
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_name_and_no_score_is_cut(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(render_cross_validation(example()))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for head in HEADS:
        assert any(line.startswith(head) and "0.9" in line for line in lines)
    assert any("mean (aRRMSE)" in line for line in lines)


def test_a_fold_without_a_model_is_named() -> None:
    out = io.StringIO()
    result = example(without_model=True)
    Console(file=out, width=120).print(render_cross_validation(result))
    assert result.without_model == (2,)
    assert "fold 2" in out.getvalue()


def test_the_description_for_mlflow_has_a_row_per_head() -> None:
    rows = [line for line in nested_description(example()).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(HEADS) + 1
