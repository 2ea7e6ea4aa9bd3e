"""The result of an outer cross-validation: the nested score, computed from its folds.

Each fold is one sweep, which chose its model on its training rows alone and was scored once on the rest. So the scores over the
folds estimate how well the whole procedure predicts rows that it has not seen (Varma and Simon 2006, "Bias in error estimation
when using cross-validation for model selection").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from branchsweep.config.codec import from_json, to_json, to_public_json
from branchsweep.config.metric_names import MEAN, METRICS, common_metric
from branchsweep.metrics.relative_rmse import RRMSE
from branchsweep.metrics.scores import standard_error
from branchsweep.metrics.significance import SignificanceSettings, corrected_standard_error, corrected_t
from branchsweep.trial import MeanScores, Params

INTERVAL = SignificanceSettings(confidence=0.95)
"""The level of the confidence intervals."""

ByHead = Mapping[str, Mapping[str, float]]
"""Metrics on test rows, by head and name."""


@dataclass(frozen=True, slots=True)
class OuterFold:
    """One fold of an outer cross-validation: the sweep whose test rows it is.

    Args:
        number: Counted from 1.
        sweep: The name of the sweep.
        run_id: Of the sweep in the store.
        trial: The trial that was chosen; None where no trial was complete, or its refits diverged.
        params: What the search chose for it.
        metrics: Of the sweep's model on the test rows, by head and name; empty where there is no model.
        baselines: The same of each baseline, by its name.
        seconds: Wall time of the sweep, as it was run last.
        test_rows: Their number.
    """

    number: int
    sweep: str
    run_id: str
    trial: int | None
    params: Params
    metrics: ByHead
    baselines: Mapping[str, ByHead]
    seconds: float
    test_rows: int


@dataclass(frozen=True, slots=True)
class PredictedFold:
    """A fold with the predictions for its test rows: what is recorded of it when its sweep has ended.

    Args:
        fold: The fold.
        predictions: `(test rows, heads)` of its model, in natural units, in the order of the split; empty where there is none.
    """

    fold: OuterFold
    predictions: tuple[tuple[float, ...], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """By how much the sweep's models are better than a baseline over the folds, by the corrected resampled t-test.

    Args:
        mean: The score of the sweep's models minus that of the baseline.
        error: The standard error of `mean`; larger than that of independent folds, for the folds share training rows.
        low: Lower end of the 95 % confidence interval.
        high: Its upper end.
        p: Two-sided p-value; the null hypothesis is that there is no difference.
    """

    mean: float
    error: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """The nested score.

    Args:
        name: The experiment's name.
        run_id: The run in the store.
        data: `source`, `digest`, `rows`, `location`.
        folds: In order.
        scores: By metric, the means over the folds by head with their standard errors. The heads' score and the relative RMSE
            (`rrmse`) also have the mean over the heads, as `mean`; that of `rrmse` is the aRRMSE.
        baselines: The same of each baseline.
        differences: By baseline, the differences of the score by head, and of its mean; empty with fewer than two folds.
        score_metrics: The name of the metric that is the score, by head.
        seconds: Wall time of all sweeps.
        planned: How many folds there are to be, which are more than `folds` before the end; 0 in the record of a version that
            did not keep it.
    """

    name: str
    run_id: str
    data: Mapping[str, str | int]
    folds: tuple[OuterFold, ...]
    scores: Mapping[str, MeanScores]
    baselines: Mapping[str, Mapping[str, MeanScores]]
    differences: Mapping[str, Mapping[str, PairedDifference]]
    score_metrics: Mapping[str, str]
    seconds: float
    planned: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether all folds are there."""
        return len(self.folds) >= self.planned

    @property
    def metric(self) -> str:
        """The name of the metric that the heads' scores share."""
        return common_metric(self.score_metrics.values())

    @property
    def without_model(self) -> tuple[int, ...]:
        """The numbers of the folds whose sweep has no model; the scores are those of the others."""
        return tuple(fold.number for fold in self.folds if not fold.metrics)

    def means_of(self, fold: OuterFold) -> Mapping[str, float]:
        """The score and the relative RMSE of a fold's model, averaged over the heads; empty where it has none."""
        by_metric = mean_over_folds([fold.metrics], self.score_metrics) if fold.metrics else {}
        return {metric: by_metric[metric].mean for metric in (self.metric, RRMSE) if metric in by_metric}

    @property
    def answer(self) -> str:
        """The nested score in a line, for lists and titles; empty where no fold has a model."""
        score, relative = self.scores.get(self.metric), self.scores.get(RRMSE)
        if score is None:
            return ""
        names = METRICS[self.metric].label if self.metric in METRICS else self.metric
        aggregate = f", aRRMSE {relative.mean:.3f}" if relative else ""
        return f"{names} {score.mean:.3f}{aggregate} over {len(self.folds)} outer folds"

    @property
    def metrics(self) -> Mapping[str, float]:
        """What a store records, by name: `r2/PE`, `r2_se/PE`, `r2/mean`, `rmse/PE`, `rrmse/mean`, …."""
        recorded: dict[str, float] = {}
        for metric, scores in self.scores.items():
            recorded |= {f"{metric}/{head}": value for head, value in scores.values.items()}
            recorded |= {f"{metric}_se/{head}": error for head, error in scores.errors.items()}
        return recorded

    def to_json(self) -> str:
        """One JSON object for programs."""
        return to_public_json(self)

    def dumps(self) -> str:
        """The whole value as JSON, for `loads`."""
        return to_json(self)

    @classmethod
    def loads(cls, text: str) -> CrossValidationResult:
        """The value that `dumps` wrote.

        Raises:
            ValueError: The text is not of that form.
        """
        return from_json(cls, text)


def mean_over_folds(folds: Sequence[ByHead], score_metrics: Mapping[str, str]) -> Mapping[str, MeanScores]:
    """The means over the folds, by metric, with their standard errors.

    The error is the standard deviation over the folds divided by the root of their number. Folds share training rows, so it is
    somewhat too small; there is no unbiased one (Bengio and Grandvalet 2004).

    Args:
        folds: The metrics of one model on the test rows of each fold.
        score_metrics: The name of the metric that is the score, by head.
    """
    if not folds:
        return {}
    score = common_metric(score_metrics.values())
    by_metric: dict[str, dict[str, list[float]]] = {score: {}}
    for head, measured in folds[0].items():
        for metric in measured:
            values = [fold[head][metric] for fold in folds]
            by_metric.setdefault(score if metric == score_metrics[head] else metric, {})[head] = values
    for metric in (score, RRMSE):
        if metric in by_metric:  # other metrics have the units of their heads, and no mean over them
            by_metric[metric][MEAN] = np.mean(list(by_metric[metric].values()), axis=0).tolist()
    return {metric: _mean_scores(by_head) for metric, by_head in by_metric.items()}


def _mean_scores(by_head: Mapping[str, Sequence[float]]) -> MeanScores:
    return MeanScores(
        {head: float(np.mean(values)) for head, values in by_head.items()},
        {head: standard_error(values) for head, values in by_head.items()},
    )


def paired_differences(
    folds: Sequence[OuterFold], baseline: str, score_metrics: Mapping[str, str]
) -> Mapping[str, PairedDifference]:
    """The differences between the sweeps' models and a baseline on the same folds, by head, and of the mean over the heads.

    Args:
        folds: All folds; those without a model or the baseline are left out.
        baseline: Its name.
        score_metrics: The name of the metric that is the score, by head.
    """
    both = [(fold.metrics, fold.baselines[baseline]) for fold in folds if fold.metrics and fold.baselines.get(baseline)]
    if len(both) < 2:
        return {}
    by_head = {
        head: np.array([own[head][metric] - other[head][metric] for own, other in both])
        for head, metric in score_metrics.items()
    }
    by_head[MEAN] = np.mean(list(by_head.values()), axis=0)
    share, found = 1.0 / len(folds), {}
    for head, differences in by_head.items():
        tested = corrected_t(differences, share, INTERVAL)
        error = corrected_standard_error(differences, share)
        found[head] = PairedDifference(tested.mean, error, tested.low, tested.high, tested.p)
    return found
