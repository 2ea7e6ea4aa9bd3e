"""Random points of the search space, and the random streams of a search."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.search_points import grid_point, point_at
from branchsweep.trial import Params

TRIES = 1000
"""How many random points are tried for one trial. If 1 % of the recipes are new, 1,000 points miss all of them with probability
4e-5."""

ENUMERABLE = 50_000
"""The most points of a finite space that are enumerated before it counts as exhausted; takes about a second."""


class RandomStream(IntEnum):
    """The independent random streams of one experiment: each mixes its number into the seed."""

    RANDOM = 1
    SOBOL = 2
    SAMPLER = 3
    FILL = 4
    ORACLE = 5
    SHRINK = 6


def seed_sequence(experiment: Experiment, stream: RandomStream, number: int = 0, attempt: int = 0) -> np.random.SeedSequence:
    """The seed of a random stream at one trial.

    Args:
        experiment: Determines the seed.
        stream: The random stream.
        number: The trial's number.
        attempt: The attempt for this trial.
    """
    return np.random.SeedSequence([experiment.seed, stream, number, attempt])


def random_point(space: SearchSpace, rng: np.random.Generator) -> Params:
    """A point of the space, drawn uniformly on the scales of its dimensions."""
    return point_at(space, rng.random(len(space.dimensions)).tolist())


def random_points(space: SearchSpace, seeds: np.random.SeedSequence) -> Iterator[Params]:
    """Points of the space in random order: independent draws first; then, if the space is small, every point of it.

    If the caller has rejected every point when the iterator ends, the space counts as exhausted.
    """
    rng = np.random.default_rng(seeds)
    for _ in range(int(min(TRIES, space.size))):
        yield random_point(space, rng)
    if space.size <= ENUMERABLE:
        sizes = tuple(int(dimension.size) for dimension in space.dimensions.values())
        for flat in rng.permutation(int(space.size)).tolist():
            yield grid_point(space, [int(index) for index in np.unravel_index(flat, sizes)])
