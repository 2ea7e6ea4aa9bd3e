"""Permutation importance (Breiman 2001): by how much a head's score falls when one input is shuffled among the rows.

A shuffled input tells the model nothing any more, while its values stay those that occur. Of two inputs that say the same, each
has a small importance, for the other one is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.output_columns import output_columns
from branchsweep.metrics.scores import scores_of_many
from branchsweep.types import Floats

Predict = Callable[[Floats], Floats]
"""From raw inputs `(rows, inputs)` to predictions `(rows, outputs)`, both in natural units."""

REPEATS = 5
"""Shuffles of each input, of which the mean is taken."""

CONFIDENCE = 0.95
"""Of the interval of an importance."""

MOST_PREDICTED = 15_000
"""Rows that are predicted in all, at most: with many inputs fewer rows are shuffled."""

FEWEST_ROWS = 50
"""Rows that are shuffled, at least, if there are as many."""

_GROUPS = 20  # of rows, of which the jackknife leaves out one after the other
_FEWEST_FOR_GROUPS = 4  # rows, of which the jackknife can make two groups
_MOST_CELLS = 10_000_000  # that are predicted together: 80 MB


@dataclass(frozen=True, slots=True)
class Importance:
    """What a head's score loses without an input.

    Args:
        value: The score minus the mean score with the shuffled input.
        low: Lower end of its confidence interval, by the jackknife over groups of rows (Efron 1982).
        high: Upper end.
    """

    value: float
    low: float
    high: float


def shuffled_rows(rows: int, inputs: int) -> int:
    """How many of so many rows are shuffled."""
    return min(rows, max(FEWEST_ROWS, MOST_PREDICTED // (inputs * REPEATS)))


def permutation_importance(
    predict: Predict, x: Floats, actual: Actual, heads: Mapping[str, ScoredKind], seed: int
) -> list[dict[str, Importance]]:
    """The importance of each input for each head.

    Args:
        predict: The model.
        x: `(rows, inputs)`, rows that the model was not trained on.
        actual: `(rows, heads)`.
        heads: The kind of each head by its name, in the order of the columns.
        seed: Of the shuffles, and of the rows where not all are used.

    Returns:
        By input, then by head; nothing of a head whose known targets do not vary, and nothing at all for fewer than four rows.
    """
    random, inputs = np.random.default_rng(seed), x.shape[1]
    rows = np.sort(random.permutation(len(x))[: shuffled_rows(*x.shape)])
    x, actual = x[rows], actual.rows(rows)
    predictions = _predictions(predict, x, random)
    known = np.isfinite(predictions).all(axis=(0, 2))
    predictions, actual = predictions[:, known], actual.rows(np.flatnonzero(known))
    columns = [h for h, own in enumerate(actual.values.T) if len(np.unique(own[~np.isnan(own)])) > 1]
    names = [list(heads)[h] for h in columns]
    if not names or len(actual) < _FEWEST_FOR_GROUPS:
        return [{} for _ in range(inputs)]
    of_heads = output_columns(heads.values())
    outputs = [output for h in columns for output in range(of_heads[h].start, of_heads[h].stop)]
    kinds, actual, predictions = {name: heads[name] for name in names}, actual.columns(columns), predictions[..., outputs]
    groups = random.permutation(len(actual)) % min(_GROUPS, len(actual) // 2)

    def falls(kept: Floats) -> Floats:
        """`(inputs, heads)` of some of the rows."""
        scores = scores_of_many(actual.rows(np.flatnonzero(kept)), predictions[:, kept], kinds)
        return np.asarray(scores[0] - scores[1:].reshape(inputs, REPEATS, len(kinds)).mean(axis=1))

    value = falls(np.ones(len(actual), bool))
    half_width = _half_width(np.stack([falls(groups != group) for group in range(groups.max() + 1)]))
    return [
        {
            name: Importance(*(float(end[i, h]) for end in (value, value - half_width, value + half_width)))
            for h, name in enumerate(names)
        }
        for i in range(inputs)
    ]


def _predictions(predict: Predict, x: Floats, random: np.random.Generator) -> Floats:
    """`(1 + inputs * REPEATS, rows, outputs)`: for the rows as they are, then for each input with its shuffled values."""
    tables = [x]
    for column in range(x.shape[1]):
        for _ in range(REPEATS):
            shuffled = x.copy()
            shuffled[:, column] = random.permutation(x[:, column])
            tables.append(shuffled)
    together = max(1, _MOST_CELLS // max(1, x.size))
    parts = [predict(np.concatenate(tables[start : start + together])) for start in range(0, len(tables), together)]
    return np.concatenate(parts).reshape(len(tables), len(x), -1)


def _half_width(left_out: Floats) -> Floats:
    """Half the width of the confidence interval, from the values `(groups, …)` without one group of rows each."""
    from scipy.stats import t  # noqa: PLC0415  # takes half a second

    groups = len(left_out)
    variance = (groups - 1) / groups * np.square(left_out - left_out.mean(axis=0)).sum(axis=0)
    return np.asarray(t.isf((1 - CONFIDENCE) / 2, groups - 1) * np.sqrt(variance))
