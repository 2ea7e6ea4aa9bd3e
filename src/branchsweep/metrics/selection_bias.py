"""Selection bias: what choosing by the search's scores adds to them, apart from the shift that all confirmed trials share.

    searched score - confirmed score = shift + selection bias
    shift = the median of (searched - confirmed) over the confirmed trials

A search scores trials on its own folds, the confirmation on others, with new seeds. That alone moves the scores of all trials
alike, up or down: the shift, which is no selection bias (one hold-out and five folds train on different numbers of rows). What
a trial's difference has beyond the shift is the bias of having been selected for a high score (Cawley and Talbot 2010). What
the confirmed trials have in common of that bias, all being among the best of the search, is part of the shift: these scores
cannot separate the two. The median, since one trial that collapses must not move the shift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

ByHead = Mapping[str, float]
"""Values by head, and their `mean`."""

FORMULA = "selection bias = (searched - confirmed) - shift; shift = median of (searched - confirmed) over the confirmed trials"
"""The definition, for terminal and report."""

FEWEST = 2
"""The fewest confirmed trials whose differences can be separated."""


@dataclass(frozen=True, slots=True)
class SelectionBias:
    """The differences between searched and confirmed scores, separated.

    Args:
        trials: How many trials the shift is the median of.
        shift: By head, and for `mean`: what all confirmed trials share; empty where there are fewer than `FEWEST`.
        by_trial: By trial number, then by head and for `mean`, what its difference has beyond the shift; NaN where the trial
            has no confirmed score.
    """

    trials: int
    shift: ByHead
    by_trial: Mapping[int, ByHead]

    def of(self, trial: int, head: str) -> float:
        """The selection bias of a trial's score; NaN where it is not known."""
        return self.by_trial.get(trial, {}).get(head, math.nan)


def selection_bias(scores: Mapping[int, tuple[ByHead, ByHead]]) -> SelectionBias:
    """Separate the shift from the selection bias.

    Args:
        scores: By trial number, its searched and its confirmed scores by head and for `mean`.
    """
    differences = {
        trial: {head: value - confirmed.get(head, math.nan) for head, value in searched.items()}
        for trial, (searched, confirmed) in scores.items()
    }
    finite = [difference for difference in differences.values() if _is_finite(difference)]
    if len(finite) < FEWEST:
        return SelectionBias(len(finite), {}, {})
    shift = {head: median(difference[head] for difference in finite) for head in finite[0]}
    by_trial = {
        trial: {head: value - shift[head] for head, value in difference.items()} for trial, difference in differences.items()
    }
    return SelectionBias(len(finite), shift, by_trial)


def _is_finite(difference: ByHead) -> bool:
    return all(map(math.isfinite, difference.values()))
