"""Every kind of head keeps the contract; the regressions have Keras's losses and scikit-learn's R²."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config import kinds
from branchsweep.models.arrays import NUMPY
from branchsweep.models.heads.head import Head, null_deviances
from branchsweep.models.heads.registry import head_kind, head_kinds
from contracts.head import HeadContract


@pytest.mark.parametrize("head", head_kinds(), ids=lambda head: head.name)
class TestHeads(HeadContract):
    """Every built-in kind."""


def test_every_configurable_name_has_a_kind() -> None:
    assert [head.name for head in head_kinds() if head.task == kinds.REGRESSION] == list(kinds.HEADS)
    assert {head.task: head.score for head in head_kinds() if head.task != kinds.REGRESSION} == kinds.TASK_SCORES


def test_a_quantile_is_one_object_for_each_level() -> None:
    assert head_kind(kinds.quantile_kind(0.25)) is head_kind("quantile(0.25)")
    assert head_kind("quantile(0.25)").metric_arguments["d2_pinball"] == {"level": 0.25}


@pytest.mark.parametrize("head", [head_kind(name) for name in kinds.HEADS], ids=lambda head: head.name)
def test_the_score_of_a_regression_is_r2_whatever_its_loss(head: Head) -> None:
    random = np.random.default_rng(0)
    actual, predicted = random.normal(size=(30, 1)), random.normal(size=(30, 1))
    factor, other = head.deviance_factors(NUMPY, predicted, actual)
    assert 1 - (factor * other).sum() / head.null_deviance(actual)[0] == pytest.approx(r2_score(actual, predicted))


def test_null_deviances_are_1_without_rows() -> None:
    assert null_deviances([head_kind("mse")] * 2, np.zeros((0, 2))).tolist() == [1.0, 1.0]
