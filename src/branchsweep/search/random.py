"""Random search: every point of the space is as likely as any other, whatever was told. The yardstick of all drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.search.protocols import Observation
from branchsweep.search.sampling import RandomStream, random_point, seed_sequence
from branchsweep.trial import Params


class RandomSampler:
    """Draws trial n from a random stream that only the experiment's seed and n decide.

    Args:
        experiment: Gives the space and the seed.
    """

    is_stateful, has_initial_design, is_exhaustive = False, False, False

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def suggest(self, number: int, attempt: int) -> Params:
        """A point drawn at random."""
        seeds = seed_sequence(self._experiment, RandomStream.RANDOM, number, attempt)
        return random_point(self._experiment.space, np.random.default_rng(seeds))

    def mark_pending(self, params: Params) -> None:
        """Nothing is learnt from questions."""

    def observe(self, answers: Sequence[Observation | None]) -> None:
        """Nothing is learnt from answers."""
