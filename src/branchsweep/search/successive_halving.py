"""Successive halving with several heads: the ranking of the trials of a round at a rung.

Successive halving (Jamieson and Talwalkar 2016) trains many trials for a few epochs, prunes the worse part, and trains the rest
on, several times. With several heads "worse" is a partial order: a trial that no other dominates may become the best for one
head. So non-dominated trials rank first, as in MO-ASHA (Schmucker, Donini, Zafar, Salinas, Archambeau 2021), and the objective
orders the rest.

Where scores are weighed against something else, such as the size of the network, almost no trial is dominated, and the order
within the front decides. It is MO-ASHA's there: fronts one after the other, in each the best trial by the objective first, then
always the one that is farthest from those before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from branchsweep.metrics.functions import mean
from branchsweep.metrics.objectives import dominates, measured_value
from branchsweep.trial import Score

Vector = Sequence[float]
"""The scores of the heads that the objective depends on, and what else it names; the higher, the better."""


def surviving_count(count: int, keep: float) -> int:
    """How many of `count` trials continue to train: `count * keep` rounded up, at least 1 unless `count` is 0.

    A product that differs from an integer by a rounding error alone counts as that integer.

    Args:
        count: The number of trials that reached the rung.
        keep: The share of them that continues, from 0 to 1.
    """
    return min(count, max(1, math.ceil(round(count * keep, 9))))


def mean_gain_after_rung(scores: Iterable[Score], epoch: int) -> Mapping[str, float]:
    """By head, the mean increase of the score from a rung to the end; by full name, that of what else the objective names.

    It is used to estimate the score that a pruned trial would have reached.

    Args:
        scores: The scores of all trials. Only complete ones that reached the rung count.
        epoch: The epoch of the rung.

    Returns:
        Empty if no complete trial reached the rung.
    """
    complete = [score for score in scores if score.is_complete and epoch in score.rungs]
    at_rung = [dict(zip(score.heads, score.rungs[epoch], strict=True)) for score in complete]
    gains = {
        head: mean(score.heads[head].score - before[head] for score, before in zip(complete, at_rung, strict=True))
        for head in (complete[0].heads if complete else ())
    }
    others: dict[str, list[float]] = {}
    for score in complete:
        for name, before in score.rung_metrics.get(epoch, {}).items():
            others.setdefault(name, []).append(measured_value(name, score, {}) - before)
    return gains | {name: mean(of_name) for name, of_name in others.items()}


def rung_ranking(vectors: Mapping[int, Vector], values: Mapping[int, float], spread: bool = False) -> list[int]:
    """The trial numbers from best to worst: non-dominated trials first, then all others, both by the objective.

    Of equals the lowest trial number is first.

    Args:
        vectors: By trial number, the scores of the heads that the objective depends on, and what else it names.
        values: By trial number, the value that trials are ranked by.
        spread: Whether the order is that of trials which differ, front after front.
    """
    if spread:
        return _spread_ranking(vectors, values)

    def rank(number: int) -> tuple[bool, float, int]:
        vector = vectors[number]
        return any(dominates(other, vector) for other in vectors.values()), -values[number], number

    return sorted(vectors, key=rank)


def _spread_ranking(vectors: Mapping[int, Vector], values: Mapping[int, float]) -> list[int]:
    """Fronts one after the other, each in the order of `_spread`."""
    ranking: list[int] = []
    left = dict(vectors)
    while left:
        front = [number for number, vector in left.items() if not any(dominates(other, vector) for other in left.values())]
        ranking += _spread(sorted(front, key=lambda number: (-values[number], number)), vectors)
        left = {number: vector for number, vector in left.items() if number not in front}
    return ranking


def _spread(numbers: Sequence[int], vectors: Mapping[int, Vector]) -> list[int]:
    """The same numbers: the first one, then always the one that is farthest from the nearest of those before it.

    A coordinate is the position among these trials, for scores and parameters have no common unit.
    """
    columns = zip(*(vectors[number] for number in numbers), strict=True)
    positions = [{value: index for index, value in enumerate(sorted(set(column)))} for column in columns]
    points = {
        number: [place[value] / max(1, len(place) - 1) for place, value in zip(positions, vectors[number], strict=True)]
        for number in numbers
    }
    order, left = [numbers[0]], list(numbers[1:])
    distance = {number: math.dist(points[number], points[order[0]]) for number in left}
    while left:
        farthest = max(left, key=lambda number: distance[number])  # of equals the better by the objective
        order.append(farthest)
        left.remove(farthest)
        for number in left:
            distance[number] = min(distance[number], math.dist(points[number], points[farthest]))
    return order
