"""Finds scores that lie far below their siblings: a network that collapsed on one fold, in one half, or in its refit.

Networks that are trained alike on rows of one table have similar scores. One that never learnt, or forgot, has a score that no
mean should hide, and that no standard error describes: 0.79, 0.74, …, and -1.88.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from branchsweep.config.metric_names import MEAN
from branchsweep.trial import MeanScores, Score

DEVIATIONS = 5.0
"""How many standard deviations below the median a collapsed score lies, at least."""

SMALLEST_DROP = 0.05
"""How far below the median a collapsed score lies, at least: among nearly equal scores a little is many deviations."""

NORMAL_CONSISTENCY = 1.4826
"""The standard deviation of a normal distribution is so many times its median absolute deviation."""

FEWEST = 3
"""Fewer scores have no majority."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """One network whose score lies far below those of its siblings.

    Args:
        head: The head, or `mean`.
        where: Which of the networks it is: `half 6`, or `fold 2, seed 1`.
        score: Its score.
        median: The median of all, its own among them.
        low: The smallest of the others.
        high: The largest of the others.
    """

    head: str
    where: str
    score: float
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """The score with that of the others."""
        return f"{self.head} {self.score:.4f} in {self.where}, {self.low:.4f} to {self.high:.4f} in the others"


def is_far_below(score: float, siblings: Sequence[float]) -> bool:
    """Whether a score lies so far below those of its siblings that it is another kind of result.

    The distance to their median must exceed all of: five robust standard deviations (1.4826 times the median absolute
    deviation), the share of deviance that the median leaves unexplained (so that what is unexplained has at least doubled), and
    0.05.

    Args:
        score: A share of explained deviance: 1 for a perfect prediction, 0 for a constant one.
        siblings: Scores of the same kind; may contain `score`.
    """
    values = np.asarray(siblings, dtype=np.float64)
    if len(values) == 0:
        return False
    median = float(np.median(values))
    deviation = NORMAL_CONSISTENCY * float(np.median(np.abs(values - median)))
    return median - score > max(DEVIATIONS * deviation, 1.0 - median, SMALLEST_DROP)


def collapsed_positions(scores: Sequence[float]) -> list[int]:
    """The positions of the scores that lie far below the others; none where there are fewer than three scores.

    A score of exactly 0 is that of rows in which the target does not vary, whatever is predicted, and is no collapse.
    """
    if len(scores) < FEWEST:
        return []
    return [position for position, score in enumerate(scores) if score != 0.0 and is_far_below(score, scores)]


def collapses(scores: Mapping[str, Sequence[float]], names: Sequence[str]) -> tuple[Collapse, ...]:
    """The scores that lie far below the others of their head.

    Args:
        scores: By head (and `mean`), the score of each network.
        names: What the networks are called, in the order of the scores.

    Returns:
        In the order of the heads, then of the networks.
    """
    found = []
    for head, values in scores.items():
        positions = collapsed_positions(values)
        others = [value for position, value in enumerate(values) if position not in positions]
        found += [
            Collapse(head, names[position], values[position], float(np.median(values)), min(others), max(others))
            for position in positions
        ]
    return tuple(found)


def lane_collapses(score: Score, seeds: int) -> tuple[Collapse, ...]:
    """The lanes of a trial whose score of a head, or mean score, lies far below that of its other lanes.

    Args:
        score: A complete one; of one that failed there are none.
        seeds: Lanes per fold.
    """
    scores = _lane_scores(score)
    count = max(map(len, scores.values()), default=0)
    return collapses(scores, [f"fold {lane // seeds}, seed {lane % seeds}" for lane in range(count)])


def means_with_medians(score: Score) -> MeanScores:
    """The means of a score, with the medians of what collapsed in some lane."""
    scores = _lane_scores(score)
    medians = {head: float(np.median(lanes)) for head, lanes in scores.items() if collapsed_positions(lanes)}
    return replace(score.means, medians=medians)


def _lane_scores(score: Score) -> Mapping[str, Sequence[float]]:
    """By head and `mean`, the score of each lane; empty where they are not known.

    The mean is over the heads whose targets vary in the lane's rows: those whose score is not exactly 0.
    """
    by_head = score.lane_scores
    if not by_head:
        return {}
    lanes = np.array(list(by_head.values()))
    means = lanes.mean(axis=0)
    for lane in np.flatnonzero((lanes == 0.0).any(axis=0)):
        varying = lanes[lanes[:, lane] != 0.0, lane]
        means[lane] = varying.mean() if len(varying) else 0.0
    return {**by_head, MEAN: means.tolist()}
