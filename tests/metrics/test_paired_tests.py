"""McNemar's and DeLong's tests against scipy, scikit-learn and sums over all pairs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score

from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Gate
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.paired_tests import PairedTest, PairedTestName, delong, mcnemar, over_parts, paired_tests
from branchsweep.metrics.significance import PairedPredictions
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.heads.regression import MSE
from branchsweep.reporting.text.paired_tests import render_paired_tests
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.types import Floats
from branchsweep.workflows.promotion.gate import GateCandidate, GateMeasurements, decide_promotion, paired_tests_of
from terminal_text import rendered_text

KINDS = {"load": MSE, "trip": head_kind("binary"), "state": head_kind("multiclass(3)")}
ROWS = 60


def table(seed: int = 0) -> PairedPredictions:
    """Targets of three tasks, and two models, the second of which is the better one; predictions have ties."""
    random = np.random.default_rng(seed)
    trip, state = (random.integers(0, count, ROWS).astype(np.float64) for count in (2, 3))
    actual = np.column_stack([random.normal(size=ROWS), trip, state])

    def model(noise: float) -> Floats:
        chance = np.round(np.clip(0.5 + 0.3 * (trip - 0.5) + noise * random.normal(size=ROWS), 0.0, 1.0), 1)
        classes = np.eye(3)[state.astype(int)] + 2 * noise * random.random((ROWS, 3))
        return np.column_stack([actual[:, 0], chance, classes / classes.sum(1, keepdims=True)])

    return PairedPredictions(actual, model(0.6), model(0.2))


def pairs_in_order(positive: Floats, negative: Floats) -> Floats:
    """`(positives, negatives)`: 1 in order, one half for a tie."""
    return np.array([[float(high > low) + 0.5 * (high == low) for low in negative] for high in positive])


@pytest.mark.parametrize("counts", [(5, 12), (12, 5), (0, 3), (40, 41), (4, 4)])
def test_mcnemar_is_the_binomial_test_of_the_rows_that_one_model_alone_predicts_right(counts: tuple[int, int]) -> None:
    only_first, only_second = counts
    first = np.array([True] * only_first + [False] * only_second + [True] * 20)
    second = np.array([False] * only_first + [True] * only_second + [True] * 20)
    found, total = mcnemar("trip", first, second), only_first + only_second
    exact = stats.binomtest(only_first, total).pvalue
    assert found.p_exact == pytest.approx(exact)
    mid = 2 * stats.binom.cdf(min(counts), total, 0.5) - stats.binom.pmf(min(counts), total, 0.5)
    assert found.p == pytest.approx(min(1.0, mid))
    assert found.p <= found.p_exact
    assert found.statistic**2 == pytest.approx((only_second - only_first) ** 2 / total)
    assert found.difference == pytest.approx(second.mean() - first.mean())


def test_two_models_that_are_right_on_the_same_rows_do_not_differ() -> None:
    found = mcnemar("trip", np.array([True, False]), np.array([True, False]))
    assert (found.difference, found.statistic, found.p, found.p_exact) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_the_sum_over_all_pairs_of_rows(seed: int) -> None:
    paired = table(seed)
    is_positive = np.asarray(paired.actual)[:, 1] > 0
    first, second = paired.champion[:, 1], paired.challenger[:, 1]
    found = delong("trip", is_positive, first, second)
    assert found is not None
    orders = [pairs_in_order(own[is_positive], own[~is_positive]) for own in (first, second)]
    change = orders[1] - orders[0]
    positives, negatives = change.shape
    variance = np.var(change.mean(1), ddof=1) / positives + np.var(change.mean(0), ddof=1) / negatives
    assert found.difference == pytest.approx(roc_auc_score(is_positive, second) - roc_auc_score(is_positive, first))
    assert found.statistic == pytest.approx(change.mean() / math.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.statistic)))


def test_without_variance_or_rows_of_a_class_there_is_no_delong() -> None:
    is_positive = np.array([True, True, False, False])
    perfect, constant = np.array([0.9, 0.8, 0.2, 0.1]), np.full(4, 0.5)
    assert delong("trip", is_positive, constant, perfect) is None
    assert delong("trip", np.array([True, False, False, False]), constant, perfect) is None
    same = delong("trip", is_positive, perfect, perfect)
    assert same is not None and (same.difference, same.statistic, same.p) == (0.0, 0.0, 1.0)


def test_heads_with_classes_are_tested_on_their_known_rows() -> None:
    paired = table()
    tests = paired_tests(paired, KINDS)
    assert [(test.head, test.test.value) for test in tests] == [("trip", "mcnemar"), ("trip", "delong"), ("state", "mcnemar")]
    actual = np.asarray(paired.actual)
    accuracies = [accuracy_score(actual[:, 2], own[:, 2:].argmax(1)) for own in (paired.champion, paired.challenger)]
    assert tests[2].difference == pytest.approx(accuracies[1] - accuracies[0])
    missing = actual.copy()
    missing[40:, 1] = np.nan
    known = paired_tests(PairedPredictions(missing, paired.champion, paired.challenger), KINDS)
    cut = PairedPredictions(actual[:40], paired.champion[:40], paired.challenger[:40])
    assert known[:2] == paired_tests(cut, KINDS)[:2]


def test_rows_of_weight_0_do_not_count_and_unequal_weights_have_no_test() -> None:
    paired = table()
    values = np.asarray(paired.actual)
    halves: Floats = np.where(np.arange(ROWS) < 30, 0.0, 0.5)[:, None].repeat(3, axis=1)
    weighted = PairedPredictions(Actual(values, halves), paired.champion, paired.challenger)
    cut = PairedPredictions(values[30:], paired.champion[30:], paired.challenger[30:])
    assert paired_tests(weighted, KINDS) == paired_tests(cut, KINDS)
    unequal = PairedPredictions(Actual(values, halves + 1.0), paired.champion, paired.challenger)
    assert paired_tests(unequal, KINDS) == []


def test_the_p_value_over_parts_is_twice_their_median() -> None:
    tests = [PairedTest("trip", PairedTestName.DELONG, "roc_auc", value, value, value, rows=10) for value in (0.1, 0.2, 0.9)]
    (found,) = over_parts([[test] for test in tests])
    assert found.p == pytest.approx(0.4) and found.difference == 0.2 and found.rows == 30
    assert found.p_by_part == (0.1, 0.2, 0.9)


def test_parts_that_disagree_have_no_small_p_value() -> None:
    signs = (1, -1, 1, -1, 1)
    tests = [PairedTest("trip", PairedTestName.DELONG, "roc_auc", 0.1 * sign, 3.0 * sign, 0.003, rows=10) for sign in signs]
    (found,) = over_parts([[test] for test in tests[:4]])
    assert found.p == 1.0 and found.statistic == 0.0
    (agreeing,) = over_parts([[test] for test in tests if test.statistic > 0])
    assert agreeing.p == pytest.approx(0.006)


def test_the_gate_keeps_the_tests_as_evidence_and_decides_as_without_them() -> None:
    paired = table()
    kinds = {"trip": KINDS["trip"]}
    scores = {"trip": (0.1, 0.2, 0.3)}

    def candidate(name: str, predictions: Floats) -> GateCandidate:
        return GateCandidate(name, (0, 1, 2), scores, predictions[:, [1]], score_metrics={"trip": "d2_log_loss"})

    models = candidate("version 1", paired.champion), candidate("trial 3", paired.challenger)
    actual = np.asarray(paired.actual)[:, [1]]
    objective = Objective(maximize=["d2_log_loss/trip"])
    decided = decide_promotion(Gate(bootstrap=100), objective, GateMeasurements(*models, actual, 1 / 3, kinds), seed=0)
    one_head = PairedPredictions(actual, paired.champion[:, [1]], paired.challenger[:, [1]])
    tests = paired_tests_of(decided)
    assert [test.test.value for test in tests] == ["mcnemar", "delong"]
    assert [test.p for test in tests] == [test.p for test in paired_tests(one_head, kinds)]
    assert decided.cause is PromotionCause.NOT_BETTER
    text = rendered_text(render_paired_tests(tests, "the champion", "the model"))
    assert f"{tests[1].difference:+.4f}" in text and "DeLong" in text
    assert json.loads(json.dumps(decided.evidence, allow_nan=False)) == decided.evidence
