"""The population stability index: how far the distribution of a column has moved from that of the training rows.

With the shares e_i of the training rows and a_i of other rows in each bin, it is the sum of (a_i - e_i) ln(a_i / e_i)
(Siddiqi, Credit Risk Scorecards, 2006; twice the Jeffreys divergence of information theory). By the usual rule, below 0.1
nothing has changed, from 0.25 on much has.

Few rows have a large index by chance alone. Of n and m rows of one distribution over B bins, index / (1/n + 1/m) has about a
chi-squared distribution with B - 1 degrees of freedom (Yurdakul, Statistical properties of population stability index, 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from branchsweep.types import Floats

SLIGHT, STRONG = 0.1, 0.25
"""The index from which a column has changed, and from which it has changed strongly."""

CHANCE = 0.01
"""How likely a column of the same distribution is called changed because its rows are few, at most."""

_OF_AN_EMPTY_BIN = 0.5  # rows, of which the logarithm is finite


class Stability(StrEnum):
    """What an index says."""

    STABLE = "stable"
    CHANGED = "changed"
    STRONGLY_CHANGED = "strongly changed"


def population_stability_index(training: Sequence[int], other: Sequence[int]) -> float:
    """The index of two distributions over the same bins.

    Args:
        training: Rows by bin, at least one in all. An empty bin counts as half a row.
        other: Likewise.
    """
    expected, actual = _shares(training), _shares(other)
    used = (np.array(training) > 0) | (np.array(other) > 0)
    return float(np.sum(((actual - expected) * np.log(actual / expected))[used]))


def largest_by_chance(training: Sequence[int], other: Sequence[int]) -> float:
    """The index that rows of the same distribution exceed with the probability `CHANCE`; see the module."""
    from scipy.stats import chi2  # noqa: PLC0415  # takes half a second

    bins = int(np.count_nonzero(np.array(training) + np.array(other)))
    return float(chi2.isf(CHANCE, bins - 1) * (1 / sum(training) + 1 / sum(other))) if bins > 1 else 0.0


def stability(index: float, by_chance: float) -> Stability:
    """What an index says.

    Args:
        index: The index.
        by_chance: What it may be of rows of the same distribution.
    """
    if index < SLIGHT or index <= by_chance:
        return Stability.STABLE
    return Stability.CHANGED if index < STRONG else Stability.STRONGLY_CHANGED


def _shares(counts: Sequence[int]) -> Floats:
    return np.maximum(np.array(counts, dtype=np.float64), _OF_AN_EMPTY_BIN) / sum(counts)
