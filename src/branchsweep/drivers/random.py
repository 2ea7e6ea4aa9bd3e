"""Random search: every point of the space is as likely as any other, whatever was told. The yardstick of all drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from branchsweep.drivers.engine import Answer
from branchsweep.drivers.points import Stream, entropy, random_point
from branchsweep.experiment import Experiment
from branchsweep.trial import Params


class RandomEngine:
    """Draws trial n from a random stream that only the experiment's seed and n decide.

    Args:
        experiment: Gives the space and the seed.
    """

    replays, spreads, enumerates = False, False, False

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def suggest(self, number: int, attempt: int) -> Params:
        """A point drawn at random."""
        seeds = entropy(self._experiment, Stream.RANDOM, number, attempt)
        return random_point(self._experiment.space, np.random.default_rng(seeds))

    def keep(self, params: Params) -> None:
        """Nothing is learnt from questions."""

    def settle(self, answers: Sequence[Answer | None]) -> None:
        """Nothing is learnt from answers."""
