"""Tests of two classifiers on the same rows: McNemar's of their classes, DeLong's of their areas under the ROC curve.

They are evidence beside the corrected resampled t-test and the bootstrap, and decide nothing. Each is about two trained models
on other rows of the same distribution, and does not account for other training rows or initial weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.codec import NullableFloat
from branchsweep.config.metric_names import ACCURACY, ROC_AUC
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.classification import THRESHOLD
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.output_columns import of_head, output_columns
from branchsweep.metrics.significance import PairedPredictions, standardized
from branchsweep.types import Floats


class PairedTestName(StrEnum):
    """Which test it is."""

    MCNEMAR = "mcnemar"
    DELONG = "delong"


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A test of two models on the same rows.

    Args:
        head: The head.
        test: Which test.
        metric: The metric whose difference is tested.
        difference: That of the second model minus that of the first.
        statistic: The difference over its standard error; of McNemar's test the signed root of its chi-squared.
        p: Two-sided p-value; of McNemar's test the mid-p-value.
        p_exact: The exact p-value of McNemar's test, which is not smaller; NaN for another test.
        rows: Rows that were tested on.
        p_by_part: Of a test that was made on several parts of a table, the p-value of each; `p` is made of them.
    """

    head: str
    test: PairedTestName
    metric: str
    difference: NullableFloat
    statistic: NullableFloat
    p: NullableFloat
    p_exact: NullableFloat = math.nan
    rows: int = 0
    p_by_part: tuple[NullableFloat, ...] = field(default_factory=tuple)


def paired_tests(paired: PairedPredictions, kinds: Mapping[str, ScoredKind]) -> list[PairedTest]:
    """The tests of two models' predictions: McNemar's of every head with classes, DeLong's of every head with two.

    A head whose rows have unequal weights has none, for both tests count rows. DeLong's is left out where `delong` has none.

    Args:
        paired: Predictions for the same rows; the champion's are those of the first model.
        kinds: The kinds of the heads, in order.
    """
    known, columns = Actual.of(paired.actual), output_columns(kinds.values())
    tests: list[PairedTest] = []
    for position, (head, kind) in enumerate(kinds.items()):
        both = (of_head(predicted, columns[position]) for predicted in (paired.champion, paired.challenger))
        tests += _tests_of_head(head, kind, known.head(position, *both))
    return tests


def _tests_of_head(head: str, kind: ScoredKind, known: tuple[Floats, ...]) -> Iterator[PairedTest]:
    """The tests of one head, from its actual values, what both models predict, and weights if there are any."""
    actual, first, second, *weights = known
    if ACCURACY not in kind.metrics:
        return
    if weights:
        counted = weights[0] > 0
        if len(np.unique(weights[0][counted])) > 1:
            return
        actual, first, second = actual[counted], first[..., counted], second[..., counted]
    if not len(actual):
        return
    yield mcnemar(head, actual == _classes(first), actual == _classes(second))
    if ROC_AUC in kind.metrics and first.ndim == 1:
        found = delong(head, actual > 0, first, second)
        yield from [found] if found else []


def _classes(predicted: Floats) -> NDArray[np.int64]:
    """The numbers of the classes that are predicted `(rows,)`, from probabilities `(rows,)` of a 1, or `(classes, rows)`."""
    return (predicted > THRESHOLD).astype(np.int64) if predicted.ndim == 1 else predicted.argmax(axis=0)


def mcnemar(head: str, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedTest:
    """McNemar's test (1947) of which rows two models predict right.

    Of the rows that one of them alone predicts right, each belongs to the second with a chance of one half if both are equally
    good. The exact p-value is that of the binomial distribution, twice its smaller tail; the mid-p-value counts half of the
    probability of what was found, and is less conservative (Fagerland, Lydersen and Laake 2013, "The McNemar test for binary
    matched-pairs data: mid-p and asymptotic are better than exact conditional").

    Args:
        head: The head.
        first: `(rows,)` whether the first model is right.
        second: Whether the second is.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    exact = mid = 1.0
    if discordant:
        from scipy.stats import binom  # noqa: PLC0415  # takes half a second, and most sweeps need none before their end

        smaller = min(only_first, only_second)
        tail, own = float(binom.cdf(smaller, discordant, 0.5)), float(binom.pmf(smaller, discordant, 0.5))
        exact, mid = min(1.0, 2 * tail), min(1.0, 2 * tail - own)
    return PairedTest(
        head,
        PairedTestName.MCNEMAR,
        ACCURACY,
        difference=(only_second - only_first) / len(first),
        statistic=standardized(only_second - only_first, math.sqrt(discordant)),
        p=mid,
        p_exact=exact,
        rows=len(first),
    )


def delong(head: str, is_positive: NDArray[np.bool_], first: Floats, second: Floats) -> PairedTest | None:
    """DeLong's test of two areas under the ROC curve of the same rows (DeLong, DeLong and Clarke-Pearson 1988).

    An area is the mean over pairs of a positive and a negative row of whether they are in order, ties by half. Its variance
    comes from the means over the pairs of each row, which midranks give in O(n log n) (Sun and Xu 2014, "Fast Implementation of
    DeLong's Algorithm").

    Args:
        head: The head.
        is_positive: `(rows,)`.
        first: `(rows,)` what the first model predicts, the larger the likelier positive.
        second: What the second predicts.

    Returns:
        None where a class has fewer than two rows, or no row's pairs differ, so that there is no variance.
    """
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if min(positives, negatives) < 2:
        return None
    of_positives, of_negatives = np.empty((2, positives)), np.empty((2, negatives))
    for model, predicted in enumerate((first, second)):
        ranks = _midranks(predicted)
        of_positives[model] = (ranks[is_positive] - _midranks(predicted[is_positive])) / negatives
        of_negatives[model] = 1.0 - (ranks[~is_positive] - _midranks(predicted[~is_positive])) / positives
    covariance = np.cov(of_positives) / positives + np.cov(of_negatives) / negatives
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = float(of_positives[1].mean() - of_positives[0].mean())
    if variance <= 1e-15 and abs(difference) > 1e-9:
        return None
    statistic = standardized(difference, math.sqrt(variance)) if variance > 1e-15 else 0.0
    p = math.erfc(abs(statistic) / math.sqrt(2))
    return PairedTest(head, PairedTestName.DELONG, ROC_AUC, difference, statistic, p, rows=len(is_positive))


def _midranks(values: Floats) -> Floats:
    """The ranks `(n,)` from 1; equal values have the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def over_parts(by_part: Sequence[Sequence[PairedTest]]) -> list[PairedTest]:
    """The tests of several parts of a table as one for each head and test.

    The p-value is twice the median, at most 1, which is valid however the parts depend on each other (Meinshausen, Meier and
    Bühlmann 2009, "p-Values for High-Dimensional Regression"). Where parts disagree on which model is better, it is that of the
    better side: twice the median of the one-sided p-values of a side, for each side, and twice the smaller of these. Difference
    and statistic are medians.

    Args:
        by_part: Of every part the tests that there are.
    """
    found: dict[tuple[str, PairedTestName], list[PairedTest]] = {}
    for tests in by_part:
        for test in tests:
            found.setdefault((test.head, test.test), []).append(test)
    return [
        replace(
            own[0],
            difference=float(np.median([test.difference for test in own])),
            statistic=float(np.median([test.statistic for test in own])),
            p=_twice_the_median([test.statistic for test in own], [test.p for test in own]),
            p_exact=_twice_the_median([test.statistic for test in own], [test.p_exact for test in own]),
            rows=sum(test.rows for test in own),
            p_by_part=tuple(test.p for test in own),
        )
        for own in found.values()
    ]


def _twice_the_median(statistics: Sequence[float], p_values: Sequence[float]) -> float:
    """See `over_parts`; NaN if one is NaN.

    Args:
        statistics: Of each part, whose signs say which model is better.
        p_values: Of each part, two-sided.
    """
    halved = np.asarray(p_values) / 2
    second = float(np.median(np.where(np.asarray(statistics) < 0, 1.0 - halved, halved)))
    return float(np.minimum(1.0, 4 * np.minimum(second, 1.0 - second)))
