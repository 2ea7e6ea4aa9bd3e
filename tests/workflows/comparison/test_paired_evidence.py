"""McNemar's and DeLong's tests of a comparison: made of every half, recorded and shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from branchsweep.config.comparison import N_HALVES, Comparison
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.metrics.paired_tests import PairedTest, PairedTestName, mcnemar
from branchsweep.reporting.comparison.exports import comparison_markdown
from branchsweep.reporting.comparison.page import render_comparison_page
from branchsweep.reporting.comparison.text import render_comparison
from branchsweep.workflows.comparison.paired_evidence import transfer_tests
from comparison_examples import example_comparison
from terminal_text import rendered_text
from tiny_sweep import tiny_experiment

HEADS = {"PE": {}, "V": {"task": "binary", "classes": ["no", "yes"]}}
CONTESTANTS = {"branched": {"kind": "network"}, "single": {"kind": "single"}}
COMPARISON = Comparison.model_validate(
    {"name": "tiny", "experiment": tiny_experiment(heads=HEADS), "contestants": CONTESTANTS, "budget": {"trials": 6}}
)


def test_the_pair_is_tested_on_the_other_half_of_every_half() -> None:
    random = np.random.default_rng(0)
    y = np.column_stack([random.normal(size=40), random.integers(0, 2, 40)]).astype(float)
    orders = [random.permutation(40) for _ in range(N_HALVES)]
    rows = TrainingRows(y, y, tuple((order[:20], order[20:]) for order in orders), ("PE", "V"))
    predictions = {name: [random.random((20, 2)) for _ in orders] for name in CONTESTANTS}
    tests = transfer_tests(COMPARISON, predictions, rows)
    assert [(test.head, test.test.value) for test in tests] == [("V", "mcnemar"), ("V", "delong")]
    of_halves = []
    for order, shared, single in zip(orders, predictions["branched"], predictions["single"], strict=True):
        actual = y[order[20:], 1] > 0
        of_halves.append(mcnemar("V", (single[:, 1] > 0.5) == actual, (shared[:, 1] > 0.5) == actual))
    assert tests[0].p_by_part == tuple(test.p for test in of_halves)
    assert tests[0].difference == pytest.approx(np.median([test.difference for test in of_halves]))
    assert not transfer_tests(COMPARISON, {"single": predictions["single"]}, rows)


def test_the_tests_are_recorded_and_shown() -> None:
    tests = (
        PairedTest("trip", PairedTestName.MCNEMAR, "accuracy", 0.0123, 1.5, 0.034, 0.05, 1000, (0.017, 0.2)),
        PairedTest("trip", PairedTestName.DELONG, "roc_auc", -0.0456, -2.5, 0.012, rows=1000),
    )
    result = replace(example_comparison(), transfer_tests=tests)
    recorded = ComparisonResult.from_json(result.to_json()).transfer_tests
    assert recorded[0] == tests[0] and recorded[1].statistic == -2.5
    for text in (
        rendered_text(render_comparison(result)),
        comparison_markdown(result),
        render_comparison_page(result, "", "", pictures=dict.fromkeys(("contestants", "cost", "transfer", "sharing"))),
    ):
        assert "+0.0123" in text and "-0.0456" in text and "DeLong" in text
