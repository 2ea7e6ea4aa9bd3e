"""Weights for the members of an ensemble, head by head, fitted to what the members predict for rows that they have not seen.

Stacked regression (Breiman 1996, "Stacked Regressions"; van der Laan, Polley and Hubbard 2007, "Super Learner"): the weights
of a head minimise the loss of the weighted mean of the members' predictions, none is negative, and they add up to 1. The loss
is the head's: the squared error of numbers, counts and probabilities (of these the Brier score), the pinball loss of quantiles.
Since the weights add up to 1, the model predicts between the lowest and the highest of its members, the probabilities of a
head add up to 1, its quantiles do not cross, and another unit or another zero of the target changes no weight. Members are
alike, and weights of either sign would be fitted to the noise in the differences between them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.output_columns import of_head, output_columns
from branchsweep.models.heads.head import Head
from branchsweep.types import Floats

Key = TypeVar("Key", bound=Hashable)

SMALLEST = 1e-3
"""A weight below which a member is left out: it would be trained and stored for a thousandth of the prediction."""


def stack(
    predictions: Mapping[Key, Floats], actual: Floats | Actual, heads: Sequence[Head], size: int | None = None
) -> dict[Key, Floats]:
    """The weight of each member for each head.

    Args:
        predictions: By member, `(rows, outputs)` in natural units and finite, all of the same rows, which it was not trained
            on.
        actual: The targets, as of `head_scores`. Rows whose target of a head is not known do not count for it, others by their
            weights.
        heads: The kinds of the heads, in the order of the targets.
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
    of_heads = zip(heads, output_columns(heads), strict=True)
    by_head = [_head_weights(kind, of_head(members, own), targets, head) for head, (kind, own) in enumerate(of_heads)]
    weights = np.stack(by_head, axis=1)
    taken = {key: own for key, own in zip(keys, weights, strict=True) if own.any()}
    if size is None or len(taken) <= size:
        return taken
    largest = sorted(taken, key=lambda key: -taken[key].sum())[:size]
    return stack({key: predictions[key] for key in keys if key in largest}, targets, heads)


def _head_weights(kind: Head, predicted: Floats, actual: Actual, head: int) -> Floats:
    """The weights `(members,)` for one head, from the members' predictions `(members, rows)` or `(members, units, rows)`."""
    target, known, *weights = actual.head(head, predicted)
    fitted = kind.member_weights(known.reshape(len(known), kind.units, len(target)), target, *weights)
    fitted = np.where(fitted < SMALLEST, 0.0, fitted)
    kept: Floats = fitted / fitted.sum()
    return kept
