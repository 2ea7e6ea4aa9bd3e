"""Significance tests: the corrected resampled t-test, the paired bootstrap, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from branchsweep.config.objective import Objective
from branchsweep.metrics.names import score_names
from branchsweep.metrics.objectives import metric_value
from branchsweep.metrics.scores import r2
from branchsweep.types import Floats

Key = TypeVar("Key", bound=Hashable)

RESAMPLED_AT_ONCE = 2_000_000
"""Numbers that one batch of resamples may hold, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the challenger is, and how sure that is.

    Args:
        mean: Challenger less champion, as measured.
        low: Lower end of the confidence interval.
        high: Upper end.
        p: Two-sided, that there is no difference.
        p_better: One-sided, that the challenger is not better; small if it is.
        p_worse: One-sided, that it is not worse by more than the margin; small if it is.
    """

    mean: float
    low: float
    high: float
    p: float
    p_better: float
    p_worse: float

    def __str__(self) -> str:
        """The difference with its interval."""
        return f"{self.mean:+.4f} [{self.low:.4f}, {self.high:.4f}]"


def mean_by_fold(values: Floats, folds: Sequence[int]) -> Floats:
    """The mean over the lanes of each fold: `(..., lanes)` to `(..., folds)`, in rising order of the folds.

    Networks of one fold from different seeds share their rows. They are no resamples of the data, and to count them as such
    would make any difference significant with enough seeds. What they do is take the chance of the initial weights out of the
    fold's figure, and a mean says that.
    """
    numbers = np.asarray(folds)
    return np.stack([values[..., numbers == fold].mean(axis=-1) for fold in np.unique(numbers)], axis=-1)


def corrected_t(differences: Floats, validation_share: float, margin: float = 0.0, confidence: float = 0.9) -> Difference:
    """The corrected resampled t-test (Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3).

    Folds share training rows, so their differences are correlated and a plain t-test is too sure of itself. The variance of
    their mean is not s²/n but s² (1/n + n_validation/n_training), s² being their sample variance; n - 1 degrees of freedom.

    Args:
        differences: Challenger less champion, one per fold.
        validation_share: Of the rows behind a fold, the part it is validated on (0.2 with five folds), below 1. With 0 the
            test is the plain one.
        margin: By which the challenger may be worse before it counts as worse.
        confidence: Of the two-sided interval.

    Raises:
        ValueError: Fewer than two differences, which say nothing of a third.
    """
    if len(differences) < 2:
        raise ValueError("got one fold, expected at least two: one says nothing of another")
    mean = float(np.mean(differences))
    ratio = validation_share / (1.0 - validation_share)
    error = float(np.std(differences, ddof=1)) * math.sqrt(1.0 / len(differences) + ratio)
    freedom = len(differences) - 1
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    return Difference(
        mean,
        mean - reach,
        mean + reach,
        p=2 * float(stats.t.sf(abs(standardized(mean, error)), freedom)),
        p_better=float(stats.t.sf(standardized(mean, error), freedom)),
        p_worse=float(stats.t.cdf(standardized(mean + margin, error), freedom)),
    )


def standardized(value: float, unit: float) -> float:
    """The value in units of its standard error or deviation; where that is 0, what it comes to as the unit vanishes."""
    if unit > 0:
        return value / unit
    return math.copysign(math.inf, value) if value else 0.0


def paired_bootstrap(
    actual: Floats,
    champion: Floats,
    challenger: Floats,
    score_metrics: Mapping[str, str],
    objective: Objective,
    resamples: int,
    seed: int,
    margin: float = 0.0,
    confidence: float = 0.9,
) -> Mapping[str, Difference]:
    """Differences of R² on the same rows, which are drawn anew with replacement, for both alike (Efron and Tibshirani 1993).

    The interval is the percentile interval. A p-value is the share of the resamples that contradict the claim, with
    one added to either count (Davison and Hinkley 1997, section 4.2), so it is never 0. All of it holds for these two trained
    models on other rows of the same kind; what other initial weights would have done, the lanes know.

    Args:
        actual: `(rows, heads)` in natural units, at least two rows.
        champion: Its predictions, likewise.
        challenger: Its predictions, likewise.
        score_metrics: The name of the metric that is the score, by head, in the order of the columns.
        objective: By whose rule the challenger is to be better.
        resamples: How often the rows are drawn.
        seed: Of the draws.
        margin: By which the challenger may be worse before it counts as worse.
        confidence: Of the two-sided interval.

    Returns:
        By figure: the objective's rule, and `r2/HEAD` for each head.
    """

    def differences(actual: Floats, champion: Floats, challenger: Floats, axis: int) -> Floats:
        of_challenger, of_champion = (r2(actual, predicted, axis).T for predicted in (challenger, champion))
        return metric_values(of_challenger, score_metrics, objective) - metric_values(of_champion, score_metrics, objective)

    measured = differences(actual.T[:, np.newaxis], champion.T[:, np.newaxis], challenger.T[:, np.newaxis], axis=-1)[:, 0]
    drawn = stats.bootstrap(
        (actual.T, champion.T, challenger.T),
        differences,
        n_resamples=resamples,
        batch=max(1, RESAMPLED_AT_ONCE // actual.size),
        vectorized=True,
        paired=True,
        axis=-1,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    found = {}
    for position, metric in enumerate(compared_metrics(score_metrics, objective)):
        values = drawn.bootstrap_distribution[position]
        not_better, not_less = _share(values <= 0), _share(values >= 0)
        found[metric] = Difference(
            float(measured[position]),
            float(drawn.confidence_interval.low[position]),
            float(drawn.confidence_interval.high[position]),
            p=min(1.0, 2 * min(not_better, not_less)),
            p_better=not_better,
            p_worse=_share(values >= -margin),
        )
    return found


def _share(contradict: NDArray[np.bool_]) -> float:
    return float((1 + np.count_nonzero(contradict)) / (1 + contradict.size))


def compared_metrics(score_metrics: Mapping[str, str], objective: Objective) -> list[str]:
    """What is compared: the figure by which trials are ranked, and each head's. They may be the same."""
    return list(dict.fromkeys([objective.ranking_metric, *score_names(score_metrics, mean=False).values()]))


def metric_values(by_head: Floats, score_metrics: Mapping[str, str], objective: Objective) -> Floats:
    """The figures that are compared, `(figures, measurements)`, from scores `(measurements, heads)`."""
    measured = [dict(zip(score_metrics, values, strict=True)) for values in by_head.tolist()]
    return np.array(
        [
            [metric_value(metric, values, objective.weights) for values in measured]
            for metric in compared_metrics(score_metrics, objective)
        ]
    )


def holm(p_values: Mapping[Key, float]) -> Mapping[Key, float]:
    """Adjusted p-values of several tests: those at most alpha may be called significant, and hold together at that level.

    The step-down procedure of Holm (1979): the smallest of m is multiplied by m, the next by m - 1, and so on, none becoming
    smaller than the one before it, nor larger than 1.
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for place, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}
