"""Significance tests: the corrected resampled t-test, the paired bootstrap, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.metric_names import R2
from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind, metric_function, r2, score_along_axis
from branchsweep.metrics.names import score_names
from branchsweep.metrics.objectives import metric_value
from branchsweep.metrics.output_columns import by_output, output_columns
from branchsweep.types import Floats

Key = TypeVar("Key", bound=Hashable)

RESAMPLED_AT_ONCE = 2_000_000
"""Numbers in one batch of resamples, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between challenger and champion, with its confidence interval and p-values.

    Args:
        mean: The challenger's score minus the champion's.
        low: Lower end of the confidence interval.
        high: Its upper end.
        p: Two-sided p-value; the null hypothesis is that there is no difference.
        p_better: One-sided; the null hypothesis is that the challenger is not better.
        p_worse: One-sided; the null hypothesis is that the challenger is not worse by more than the margin.
    """

    mean: float
    low: float
    high: float
    p: float
    p_better: float
    p_worse: float


@dataclass(frozen=True, slots=True)
class SignificanceSettings:
    """What a difference is tested against, and how wide its interval is.

    Args:
        margin: By how much the challenger may be worse in the test behind `Difference.p_worse`.
        confidence: Level of the two-sided interval.
    """

    margin: float = 0.0
    confidence: float = 0.9


DEFAULT_SETTINGS = SignificanceSettings()


@dataclass(frozen=True, slots=True, eq=False)
class PairedPredictions:
    """The predictions of two models on the same rows, with the actual values.

    Args:
        actual: `(rows, heads)` in natural units, at least two rows; NaN where a value is not known, or the same with weights.
        champion: The champion's predictions `(rows, outputs)`, see `output_columns.py`.
        challenger: The challenger's predictions, of the same shape.
    """

    actual: Floats | Actual
    champion: Floats
    challenger: Floats


@dataclass(frozen=True, slots=True)
class ComparedMetrics:
    """The metrics by which two models are compared: the one that trials are ranked by, and the score of each head.

    Args:
        score_metrics: The name of the metric that is the score, by head.
        objective: The objective, by which models are ranked.
        kinds: The kinds of the heads, where their scores are other than R².
    """

    score_metrics: Mapping[str, str]
    objective: Objective
    kinds: Mapping[str, ScoredKind] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of the metrics, the one that trials are ranked by first; it may be the score of a head."""
        return list(dict.fromkeys([self.objective.ranking_metric, *self.of_heads]))

    @property
    def of_heads(self) -> list[str]:
        """The names of the heads' scores."""
        return list(score_names(self.score_metrics, mean=False).values())

    @property
    def by_scores(self) -> ComparedMetrics:
        """The metrics that follow from scores: without one that trials are ranked by and that is no score."""
        return replace(self, objective=self.objective.by_scores(self.score_metrics))

    def values(self, scores: Floats) -> Floats:
        """The values of the metrics, `(metrics, measurements)`, from scores `(measurements, heads)`."""
        by_head = [dict(zip(self.score_metrics, row, strict=True)) for row in scores.tolist()]
        return np.array([[metric_value(name, row, self.objective.weights) for row in by_head] for name in self.names])

    def scores(self, actual: Floats, predicted: Floats, axis: int, *weights: Floats) -> Floats:
        """The score of each head, of many predictions at once.

        Args:
            actual: `(outputs, …)`, the rows along `axis`; a head of several units has its actual values once for each.
            predicted: Of the same shape.
            axis: The axis of the rows, counted from the end.
            weights: Of the same shape, where there are any.

        Returns:
            `(heads, …)` without `axis`.
        """
        if all(kind.score == R2 for kind in self.kinds.values()):
            return r2(actual, predicted, axis, *weights)
        kinds = [self.kinds[head] for head in self.score_metrics]
        found = []
        for kind, columns in zip(kinds, output_columns(kinds), strict=True):
            own, *counted = (values[columns.start] for values in (actual, *weights))
            found.append(_scores_of_head(kind, axis, own, _of_head(predicted, columns), *counted))
        return np.stack(found)


def _of_head(predicted: Floats, columns: slice) -> Floats:
    """A head's predictions of `(outputs, …, rows)`: `(…, rows)`, or `(…, units, rows)` where it has several units."""
    if columns.stop - columns.start == 1:
        return np.asarray(predicted[columns.start])
    return np.moveaxis(predicted[columns], 0, -2)


def _scores_of_head(kind: ScoredKind, axis: int, *values: Floats) -> Floats:
    """The score of one head, of many predictions at once, from actual values, predictions, and weights if there are any."""
    along_axis = score_along_axis(kind)
    if along_axis is not None:
        actual, predicted, *weights = values
        return np.asarray(along_axis(actual, predicted, axis, *weights))
    function = metric_function(kind, kind.score)
    moved = [np.moveaxis(own, axis, -1) for own in values]
    rows = [own.reshape(-1, own.shape[-1]) for own in moved]
    if kind.units > 1:
        rows[1] = values[1].reshape(-1, *values[1].shape[-2:])
    scores = [function(*of_one) for of_one in zip(*rows, strict=True)]
    return np.array(scores).reshape(moved[0].shape[:-1])


def mean_by_fold(values: Floats, folds: Sequence[int]) -> Floats:
    """The mean over the lanes of each fold.

    Networks of one fold with different seeds share their rows. They are not resamples of the data: counted as such, any
    difference would become significant with enough seeds. Averaging them reduces the variance from the initial weights.

    Args:
        values: `(..., lanes)`.
        folds: The fold of each lane.

    Returns:
        `(..., folds)`, in ascending order of the folds.
    """
    numbers = np.asarray(folds)
    return np.stack([values[..., numbers == fold].mean(axis=-1) for fold in np.unique(numbers)], axis=-1)


def corrected_t(differences: Floats, validation_share: float, settings: SignificanceSettings = DEFAULT_SETTINGS) -> Difference:
    """The corrected resampled t-test (Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3).

    Folds share training rows, so their differences are correlated, and a plain t-test rejects too often. The variance of the
    mean is s² (1/n + n_validation/n_training) instead of s²/n, with s² the sample variance; n - 1 degrees of freedom.

    Args:
        differences: The challenger's score minus the champion's, one per fold.
        validation_share: The share of a fold's rows that it is validated on (0.2 with five folds), below 1. With 0 the test is
            the plain t-test.
        settings: The margin and the level of the interval.

    Raises:
        ValueError: There are fewer than two differences, so there is no variance.
    """
    if len(differences) < 2:
        raise ValueError(f"got {len(differences)} folds, expected at least 2: one fold has no variance")
    from scipy import stats  # noqa: PLC0415  # takes half a second, and a sweep needs none before its end

    mean = float(np.mean(differences))
    error = corrected_standard_error(differences, validation_share)
    freedom = len(differences) - 1
    half_width = float(stats.t.ppf(0.5 + settings.confidence / 2, freedom)) * error
    return Difference(
        mean,
        mean - half_width,
        mean + half_width,
        p=2 * float(stats.t.sf(abs(standardized(mean, error)), freedom)),
        p_better=float(stats.t.sf(standardized(mean, error), freedom)),
        p_worse=float(stats.t.cdf(standardized(mean + settings.margin, error), freedom)),
    )


def corrected_standard_error(differences: Floats, validation_share: float) -> float:
    """The standard error of the mean difference over folds that share training rows, as `corrected_t` has it.

    Args:
        differences: One per fold, at least two.
        validation_share: As of `corrected_t`.
    """
    ratio = validation_share / (1.0 - validation_share)
    return float(np.std(differences, ddof=1)) * math.sqrt(1.0 / len(differences) + ratio)


def equivalence_p(differences: Floats, validation_share: float, margin: float) -> float:
    """The p-value of two one-sided tests (Schuirmann 1987) on the statistic of the corrected resampled t-test.

    The null hypothesis is that the true difference is at least `margin` in one direction or the other. At level alpha it is
    rejected exactly where the statistic's interval at 1 - 2 alpha lies within the margin on both sides.

    Args:
        differences: One per fold, at least two.
        validation_share: As of `corrected_t`.
        margin: What still counts as equal, above 0.
    """
    above = corrected_t(differences + margin, validation_share).p_better
    below = corrected_t(margin - differences, validation_share).p_better
    return max(above, below)


def standardized(value: float, unit: float) -> float:
    """The value divided by its standard error or deviation; where that is 0, the limit: 0 or an infinity."""
    if unit > 0:
        return value / unit
    return math.copysign(math.inf, value) if value else 0.0


def paired_bootstrap(
    predictions: PairedPredictions,
    metrics: ComparedMetrics,
    resamples: int,
    seed: int,
    settings: SignificanceSettings = DEFAULT_SETTINGS,
) -> Mapping[str, Difference]:
    """The paired bootstrap: differences of scores on rows drawn with replacement, the same for both (Efron, Tibshirani 1993).

    The interval is the percentile interval. A p-value is the share of resamples that contradict the alternative, with one added
    to both counts (Davison and Hinkley 1997, section 4.2), so it is never 0. All of it is about these two trained models on
    other rows of the same distribution, and does not account for other initial weights.

    Args:
        predictions: Of both models.
        metrics: The metrics to compare, whose heads are in the order of the columns.
        resamples: The number of resamples.
        seed: Seed of the resamples.
        settings: The margin and the level of the interval.

    Returns:
        By the names of the metrics.
    """
    from scipy import stats  # noqa: PLC0415  # as above

    def differences(champion: Floats, challenger: Floats, actual: Floats, *weights: Floats, axis: int) -> Floats:
        after, before = (metrics.scores(actual, predicted, axis, *weights).T for predicted in (challenger, champion))
        return metrics.values(after) - metrics.values(before)

    known = Actual.of(predictions.actual)
    with_weights = [known.values] if known.is_plain else [np.nan_to_num(known.values), known.masks]
    for_outputs = [by_output(values, metrics.kinds.values()) for values in with_weights]  # `bootstrap` asks for equal shapes
    by_column = [values.T for values in (predictions.champion, predictions.challenger, *for_outputs)]
    measured = differences(*(values[:, np.newaxis] for values in by_column), axis=-1)[:, 0]
    bootstrap = stats.bootstrap(
        by_column,
        differences,
        n_resamples=resamples,
        batch=max(1, RESAMPLED_AT_ONCE // known.values.size),
        vectorized=True,
        paired=True,
        axis=-1,
        confidence_level=settings.confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    by_metric = {}
    for index, metric in enumerate(metrics.names):
        values = bootstrap.bootstrap_distribution[index]
        not_better, not_worse = _share(values <= 0), _share(values >= 0)
        by_metric[metric] = Difference(
            float(measured[index]),
            float(bootstrap.confidence_interval.low[index]),
            float(bootstrap.confidence_interval.high[index]),
            p=min(1.0, 2 * min(not_better, not_worse)),
            p_better=not_better,
            p_worse=_share(values >= -settings.margin),
        )
    return by_metric


def _share(contradicts: NDArray[np.bool_]) -> float:
    return float((1 + np.count_nonzero(contradicts)) / (1 + contradicts.size))


def holm(p_values: Mapping[Key, float]) -> Mapping[Key, float]:
    """Adjusted p-values of several tests, which control the family-wise error rate.

    The step-down procedure of Holm (1979): the smallest of m p-values is multiplied by m, the next by m - 1, and so on; none
    becomes smaller than the one before it, nor larger than 1.

    Returns:
        In the order of `p_values`.
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for index, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, (len(p_values) - index) * p_values[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}
