"""Successive halving with several heads: the ranking of the trials of a round at a rung.

Successive halving (Jamieson and Talwalkar 2016) trains many trials for a few epochs, prunes the worse part, and trains the rest
on, several times. With several heads "worse" is a partial order: a trial that no other dominates may become the best for one
head. So non-dominated trials rank first, as in MO-ASHA (Schmucker, Donini, Zafar, Salinas, Archambeau 2021), and the objective
orders the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from branchsweep.metrics.functions import mean
from branchsweep.metrics.objectives import dominates
from branchsweep.trial import Score

Vector = Sequence[float]
"""The scores of the heads that the objective depends on."""


def surviving_count(count: int, keep: float) -> int:
    """How many of `count` trials continue to train: `count * keep` rounded up, at least 1 unless `count` is 0.

    A product that differs from an integer by a rounding error alone counts as that integer.

    Args:
        count: The number of trials that reached the rung.
        keep: The share of them that continues, from 0 to 1.
    """
    return min(count, max(1, math.ceil(round(count * keep, 9))))


def mean_gain_after_rung(scores: Iterable[Score], epoch: int) -> Mapping[str, float]:
    """By head, the mean increase of the score from a rung to the end.

    It is used to estimate the score that a pruned trial would have reached.

    Args:
        scores: The scores of all trials. Only complete ones that reached the rung count.
        epoch: The epoch of the rung.

    Returns:
        Empty if no complete trial reached the rung.
    """
    complete = [score for score in scores if score.is_complete and epoch in score.rungs]
    at_rung = [dict(zip(score.heads, score.rungs[epoch], strict=True)) for score in complete]
    return {
        head: mean(score.heads[head].score - before[head] for score, before in zip(complete, at_rung, strict=True))
        for head in (complete[0].heads if complete else ())
    }


def rung_ranking(vectors: Mapping[int, Vector], values: Mapping[int, float]) -> list[int]:
    """The trial numbers from best to worst: non-dominated trials first, then all others, both by the objective.

    Of equals the lowest trial number is first.

    Args:
        vectors: By trial number, the scores of the heads that the objective depends on.
        values: By trial number, the value that trials are ranked by.
    """

    def rank(number: int) -> tuple[bool, float, int]:
        vector = vectors[number]
        return any(dominates(other, vector) for other in vectors.values()), -values[number], number

    return sorted(vectors, key=rank)
