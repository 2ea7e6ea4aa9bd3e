"""Several networks in place of one: whose predictions are averaged, and with which shares.

Greedy selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble Selection from Libraries of
Models"): begin with the best network, then add, one at a time, whichever raises the figure of the mean most; one that is added
twice weighs twice.

What is chosen by validation rows flatters itself on them. Three things keep that small. The ensemble begins with the best
single network (the paper's sorted initialisation), not with whatever happens to add up. Of the ensembles on the way the
smallest of the best is taken, so it ends where nothing improves. And the shares are few whole numbers over their sum, not
weights fitted to the rows. The paper's bagging of the library is left out: its mean has more networks than were asked for, and
with a few confirmed recipes on thousands of rows there is little to guard against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.objectives import ranking_value
from branchsweep.metrics.scores import scores_of_many
from branchsweep.types import Floats

Key = TypeVar("Key", bound=Hashable)


def select_greedily(
    predictions: Mapping[Key, Floats],
    actual: Floats | Actual,
    heads: Mapping[str, ScoredKind],
    size: int,
    objective: Objective,
) -> dict[Key, float]:
    """Which networks to average, each with its share; those left out are not named.

    On the rows it is chosen by, the mean is never worse than the best single network. Of equals the one named first is taken.

    Args:
        predictions: By network (or recipe), `(rows, outputs)` in natural units and finite, all of the same rows, which it was
            not trained on: the pooled predictions of its folds.
        actual: As of `head_scores`.
        heads: The kind of each head by its name, in the order of the columns.
        size: Networks at most, counted as often as they are added.
        objective: By whose rule the mean is to be good.

    Returns:
        Shares that add up to 1, the largest first.

    Raises:
        ValueError: There is nothing to choose from.
    """
    if not predictions:
        raise ValueError("got 0 predictions, expected those of at least 1 network")
    keys = list(predictions)
    candidates = np.stack([predictions[key] for key in keys])
    total = np.zeros_like(candidates[0])
    chosen: list[Key] = []
    figures: list[float] = []
    while len(chosen) < size:
        means = (total + candidates) / (len(chosen) + 1)
        after = [
            ranking_value(objective, dict(zip(heads, of_heads, strict=True)))
            for of_heads in scores_of_many(actual, means, heads).tolist()
        ]
        best = int(np.argmax(after))
        total = total + candidates[best]
        chosen.append(keys[best])
        figures.append(after[best])
    taken = chosen[: int(np.argmax(figures)) + 1]  # the first of equals: the smallest
    return {key: count / len(taken) for key, count in Counter(taken).most_common()}
