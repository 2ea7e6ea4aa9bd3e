"""Scores of predictions, by head.

Population lanes, exported models, baselines and registered models are scored by these functions on the same rows, in natural
units. Which metrics a head has is its kind's to say; `functions.py` computes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import METRICS
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.comparison_result import ByHalf
from branchsweep.metrics.functions import ScoredKind, ScoreKey, metric_function, score_along_axis, score_key
from branchsweep.metrics.output_columns import of_head, output_columns
from branchsweep.trial import HeadScore
from branchsweep.types import Floats


def head_scores(actual: Floats | Actual, predicted: Floats, heads: Mapping[str, ScoredKind]) -> Mapping[str, HeadScore]:
    """The score and the other metrics of each head over those rows of one set whose actual value is known.

    Args:
        actual: `(rows, heads)` in natural units, NaN where a value is not known; or the same with weights.
        predicted: `(rows, outputs)` in natural units, finite; see `output_columns.py`.
        heads: The kind of each head by its name, in the order of the columns.

    Returns:
        By head; the standard error of a single set of rows is NaN.
    """
    known, own = Actual.of(actual), output_columns(heads.values())
    return {head: _head_score(known.head(h, of_head(predicted, own[h])), kind) for h, (head, kind) in enumerate(heads.items())}


def _head_score(known: tuple[Floats, ...], kind: ScoredKind) -> HeadScore:
    """The score of the known values of a head: actual and predicted ones, and their weights if they have any."""
    metrics = {name: metric_function(kind, name)(*known) for name in kind.metrics}
    return HeadScore(score=metrics[kind.score], score_se=float("nan"), metrics=metrics)


def scores_of_many(actual: Floats | Actual, predicted: Floats, heads: Mapping[str, ScoredKind]) -> Floats:
    """The heads' scores of many predictions of the same rows.

    Args:
        actual: As of `head_scores`.
        predicted: `(predictions, rows, outputs)` in natural units, finite.
        heads: The kind of each head by its name, in the order of the columns.

    Returns:
        `(predictions, heads)`.
    """
    known, kinds = Actual.of(actual), list(heads.values())
    own = output_columns(kinds)
    values = np.empty((len(predicted), len(kinds)))
    by_function: dict[ScoreKey, list[int]] = {}
    for column, kind in enumerate(kinds):
        by_function.setdefault(score_key(kind), []).append(column)
    for columns in by_function.values():
        values[:, columns] = _scores_of_kind(kinds[columns[0]], columns, known, [own[column] for column in columns], predicted)
    return values


def _scores_of_kind(
    kind: ScoredKind, columns: Sequence[int], actual: Actual, outputs: Sequence[slice], predicted: Floats
) -> Floats:
    """The score of heads that have one in common, `(predictions, columns)`, at once where that is possible."""
    along_axis = score_along_axis(kind)
    if along_axis is not None and actual.is_plain and kind.units == 1:
        all_columns = len(columns) == actual.values.shape[1]
        of_kind = (actual.values, predicted)
        if not all_columns:
            of_kind = (actual.values[:, columns], predicted[..., [own.start for own in outputs]])
        return along_axis(*of_kind, -2)
    known = (actual.head(column, of_head(predicted, own)) for column, own in zip(columns, outputs, strict=True))
    return np.stack([_of_column(kind, *of_head) for of_head in known], axis=1)


def _of_column(kind: ScoredKind, actual: Floats, predicted: Floats, *weights: Floats) -> Floats:
    """The score of one head of many predictions, the known rows last."""
    along_axis, function = score_along_axis(kind), metric_function(kind, kind.score)
    if along_axis is not None:
        return along_axis(actual, predicted, -1, *weights)
    return np.array([function(actual, values, *weights) for values in predicted])


def mean_score(heads: Mapping[str, HeadScore]) -> float:
    """The mean of the heads' scores."""
    return float(np.mean([measured.score for measured in heads.values()]))


def by_half(measured: Sequence[Mapping[str, HeadScore]]) -> tuple[ByHalf, Mapping[str, ByHalf]]:
    """The scores by head, and the other metrics by name and head, one value per half.

    Args:
        measured: Per half, the scores by head.
    """
    halves = {head: [half[head] for half in measured] for head in measured[0]}
    names = dict.fromkeys(name for scores in halves.values() for name in scores[0].metrics if not METRICS[name].is_score)
    metrics = {
        name: {
            head: tuple(half.metrics[name] for half in scores) for head, scores in halves.items() if name in scores[0].metrics
        }
        for name in names
    }
    return {head: tuple(half.score for half in scores) for head, scores in halves.items()}, metrics


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean: the standard deviation (n - 1) divided by the root of n; NaN for one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def average_scores(scores: Sequence[Mapping[str, HeadScore]]) -> tuple[Mapping[str, HeadScore], float, float]:
    """The average over lanes.

    A metric that needs rows of several classes is NaN in a lane whose rows are of one, and is averaged over the others.

    Args:
        scores: Per lane, the scores by head.

    Returns:
        Score and metrics by head with the standard error of the score; the mean score of the heads; its standard error.
    """
    heads = {
        head: HeadScore(
            score=float(np.mean([lane[head].score for lane in scores])),
            score_se=standard_error([lane[head].score for lane in scores]),
            metrics={metric: _mean_metric(metric, [lane[head] for lane in scores]) for metric in first.metrics},
        )
        for head, first in scores[0].items()
    }
    values = [mean_score(lane) for lane in scores]
    return heads, float(np.mean(values)), standard_error(values)


def _mean_metric(metric: str, lanes: Sequence[HeadScore]) -> float:
    """The mean of a metric over the lanes that have it: one that is NaN beside a score needs rows of other classes."""
    known = [own.metrics[metric] for own in lanes if math.isnan(own.score) or not math.isnan(own.metrics[metric])]
    return float(np.mean(known)) if known else math.nan
