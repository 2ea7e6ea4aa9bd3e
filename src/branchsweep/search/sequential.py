"""A search of few dimensions whose points are scored one after the other, such as the hyperparameters of an estimator.

Trials of networks come in rounds, by `batching.py`, which knows recipes; what is scored here is no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import isfinite

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.search import Search
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.protocols import Observation, Sampler
from branchsweep.search.random import RandomSampler
from branchsweep.search.sampling import RandomStream, random_points, seed_sequence
from branchsweep.trial import Params, Status

TRIES = 4
"""Suggestions for one trial; if all of them were asked before, a random point is asked instead."""


class SequentialSearch:
    """Asks one point at a time: by Optuna's TPE, or at random where the experiment's driver is `random`.

    Args:
        experiment: Of the networks that the search is to be compared with.
        space: What is searched.
        seed: All randomness derives from it.
    """

    def __init__(self, experiment: Experiment, space: SearchSpace, seed: int) -> None:
        search = Search(driver="random") if experiment.search.driver == "random" else Search(driver="optuna", algorithm="tpe")
        update = {"space": space, "search": search, "seed": seed, "objective": Objective()}
        self._experiment = experiment.model_copy(update=update)
        self._sampler = _open_sampler(self._experiment)
        self._asked: set[tuple[tuple[str, object], ...]] = set()

    def ask(self, number: int) -> Params | None:
        """A point that was not asked before, for the trial of this number; None if there is no other one."""
        others = random_points(self._experiment.space, seed_sequence(self._experiment, RandomStream.FILL, number))
        for point in chain(self._suggested(number), others):
            key = tuple(sorted(point.items()))
            if key not in self._asked:
                self._asked.add(key)
                self._sampler.mark_pending(point)
                return point
        return None

    def _suggested(self, number: int) -> Iterator[Params]:
        for attempt in range(TRIES):
            point = self._sampler.suggest(number, attempt)
            if point is None:
                return
            yield point

    def tell(self, value: float) -> None:
        """Learn the value to maximize of the last point; NaN for one that could not be scored."""
        observation = Observation(Status.COMPLETE, (value,), (value,), (), 0) if isfinite(value) else None
        self._sampler.observe([observation])


def _open_sampler(experiment: Experiment) -> Sampler:
    if experiment.search.driver == "random":
        return RandomSampler(experiment)
    from branchsweep.search.optuna.sampler import OptunaSampler  # noqa: PLC0415  # takes a second to import

    return OptunaSampler.open(experiment)
