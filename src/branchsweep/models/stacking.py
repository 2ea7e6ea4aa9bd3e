"""Weights for the members of an ensemble, head by head, fitted to what the members predict for rows that they have not seen.

Stacked regression (Breiman 1996, "Stacked Regressions"; van der Laan, Polley and Hubbard 2007, "Super Learner"): the weights
of a head minimise the squared error of the weighted mean of the members' predictions, none is negative, and they add up to 1.
Since they add up to 1, the model predicts between the lowest and the highest of its members, and another unit or another zero
of the target changes no weight. Members are alike, and weights of either sign would be fitted to the noise in the differences
between them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.types import Floats

Key = TypeVar("Key", bound=Hashable)

SMALLEST = 1e-3
"""A weight below which a member is left out: it would be trained and stored for a thousandth of the prediction."""


def stack(predictions: Mapping[Key, Floats], actual: Floats | Actual, size: int | None = None) -> dict[Key, Floats]:
    """The weight of each member for each head.

    Args:
        predictions: By member, `(rows, heads)` in natural units and finite, all of the same rows, which it was not trained on.
        actual: The targets, as of `head_scores`. Rows whose target of a head is not known do not count for it, others by their
            weights.
        size: Members at most: if more have a weight, those with the largest sums of weights are fitted again; None for all.

    Returns:
        By member `(heads,)`, of those that have a weight for some head. For each head the weights add up to 1.

    Raises:
        ValueError: There is nothing to fit.
    """
    if not predictions:
        raise ValueError("got 0 predictions, expected those of at least 1 member")
    keys, targets = list(predictions), Actual.of(actual)
    members = np.stack([predictions[key] for key in keys])
    by_head = [_head_weights(members[:, :, head], targets, head) for head in range(members.shape[2])]
    weights = np.stack(by_head, axis=1)
    taken = {key: own for key, own in zip(keys, weights, strict=True) if own.any()}
    if size is None or len(taken) <= size:
        return taken
    largest = sorted(taken, key=lambda key: -taken[key].sum())[:size]
    return stack({key: predictions[key] for key in keys if key in largest}, targets)


def simplex_weights(errors: Floats) -> Floats:
    """The weights that minimise the squared error of a weighted mean: none negative, their sum 1.

    With non-negative u = t w, where the weights w add up to 1, the squares `|errors u|² + (sum(u) - 1)²` are
    `t² |errors w|² + (t - 1)²`. Whatever w is, the best t leaves `q / (1 + q)` of them, where `q = |errors w|²`: the less, the
    smaller q is. So the weights are non-negative least squares with one more row, over their sum.

    Args:
        errors: `(rows, members)`, prediction minus target.

    Returns:
        `(members,)`.
    """
    size = np.sqrt((errors**2).sum() / errors.shape[1])  # the added row counts about as much as all others
    if not size > 0:
        return np.full(errors.shape[1], 1 / errors.shape[1])
    rows = np.vstack([errors / size, np.ones(errors.shape[1])])
    from scipy.optimize import nnls  # noqa: PLC0415  # takes half a second, and most sweeps need none before their end

    solution, _ = nnls(rows, np.append(np.zeros(len(errors)), 1.0))
    weights: Floats = solution / solution.sum()
    return weights


def _head_weights(predicted: Floats, actual: Actual, head: int) -> Floats:
    """The weights of the members `(members,)` for one head, from its predictions `(members, rows)`."""
    target, known, *weights = actual.head(head, predicted)
    errors = (known - target).T
    if weights:
        errors = errors * np.sqrt(weights[0])[:, None]
    fitted = simplex_weights(errors)
    fitted = np.where(fitted < SMALLEST, 0.0, fitted)
    kept: Floats = fitted / fitted.sum()
    return kept
