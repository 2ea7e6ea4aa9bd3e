"""Random search: every point of the space is equally likely, whatever was observed. The baseline of all samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import RandomStream, random_point, seed_sequence
from branchsweep.trial import Params


class RandomSampler:
    """A `Sampler` that draws trial n from a random stream of the experiment's seed and n.

    Args:
        experiment: Determines the space and the seed.
    """

    is_stateful, has_initial_design, is_exhaustive = False, False, False

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def suggest(self, number: int, attempt: int) -> Params:
        """A random point."""
        seeds = seed_sequence(self._experiment, RandomStream.RANDOM, number, attempt)
        return random_point(self._experiment.space, np.random.default_rng(seeds))

    def mark_pending(self, params: Params) -> None:
        """Pending points do not influence suggestions."""

    def observe(self, observations: Sequence[Observation | None]) -> None:
        """Observations do not influence suggestions."""
