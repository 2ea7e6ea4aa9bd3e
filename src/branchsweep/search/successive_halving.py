"""Successive halving on a vector of heads: who of the trials of a round goes on after a rung.

Successive halving (Jamieson and Talwalkar 2016) trains many trials a little, drops the worse part, and trains the rest on,
several times over. With several heads "worse" is no order of its own: a trial that nobody beats on every head at once (that is
non-dominated) may become the best for one of them. So those go first, as in MO-ASHA (Schmucker, Donini, Zafar, Salinas,
Archambeau 2021), and the objective settles the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from branchsweep.metrics.objectives import dominates
from branchsweep.trial import Score

Vector = Sequence[float]
"""R² of each head that the objective looks at: the more, the better."""


def surviving_count(count: int, keep: float) -> int:
    """How many of `count` trials go on; at least one, if there is one. A whole share is not rounded up by its last bit."""
    return min(count, max(1, math.ceil(round(count * keep, 9))))


def mean_gain_after_rung(scores: Iterable[Score], epoch: int) -> Mapping[str, float]:
    """By head, how much R² rose from a rung to the end, averaged over the complete trials that stood at it; empty for none.

    What a pruned trial would have reached is guessed by it.
    """
    ended = [score for score in scores if score.is_complete and epoch in score.rungs]
    then = [dict(zip(score.heads, score.rungs[epoch], strict=True)) for score in ended]
    return {
        head: fmean(score.heads[head].score - before[head] for score, before in zip(ended, then, strict=True))
        for head in (ended[0].heads if ended else ())
    }


def rung_ranking(vectors: Mapping[int, Vector], values: Mapping[int, float]) -> list[int]:
    """Trial numbers, the most promising first: the non-dominated ones, then all others, both by the objective.

    Of equals the one that was asked first goes first.

    Args:
        vectors: By number.
        values: By number, the one figure by which trials are put in order.
    """

    def rank(number: int) -> tuple[bool, float, int]:
        mine = vectors[number]
        return any(dominates(other, mine) for other in vectors.values()), -values[number], number

    return sorted(vectors, key=rank)
