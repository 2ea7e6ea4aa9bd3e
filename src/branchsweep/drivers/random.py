"""Random search: every point of the space is as likely as any other, whatever was told. The yardstick of all drivers."""

from __future__ import annotations

from collections.abc import Iterator

from branchsweep.drivers.history import History
from branchsweep.drivers.points import Stream, draws, entropy
from branchsweep.experiment import Experiment
from branchsweep.trial import Params, Result, Trial


class RandomDriver:
    """Draws trial n from a random stream that only the experiment's seed and n decide.

    Args:
        experiment: Gives the space, the seed and the known configurations.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._history = History(experiment)

    def ask(self, count: int) -> list[Trial]:
        """The next trials; fewer than `count` where the space is exhausted."""
        return self._history.ask(count, self._candidates)

    def tell(self, result: Result) -> None:
        """Note the result, so that its question is not asked again. Its answer changes nothing."""
        self._history.tell(result)

    def _candidates(self, number: int) -> Iterator[Params]:
        return draws(self._experiment.space, entropy(self._experiment, Stream.RANDOM, number))
