"""What workers load before the store is open is what a new search trains first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.workflows.first_round import first_populations
from fakes import FormulaTrainer
from tiny_sweep import TinySweep, tiny_experiment


class NothingTrainedError(Exception):
    """Ends a search when its first populations wait."""


class WaitingTrainer(FormulaTrainer):
    """A trainer that keeps what waits first, and trains nothing."""

    waiting: list[Population]

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        self.waiting = [population for _, population in queue.next]
        raise NothingTrainedError


def test_the_first_populations_are_those_that_a_new_search_trains_first() -> None:
    sweep = TinySweep(tiny_experiment())
    sweep.trainer = trainer = WaitingTrainer(sweep.rows)
    expected = first_populations(sweep.experiment, [], sweep.rows, trainer.resources)
    with pytest.raises(NothingTrainedError):
        sweep.search()
    assert trainer.waiting == expected != []


def test_beside_a_small_first_round_the_second_one_is_among_them() -> None:
    sweep = TinySweep(tiny_experiment(search={"driver": "random", "trials": 20, "batch": 8, "first_batch": 1}))
    sweep.trainer = trainer = WaitingTrainer(sweep.rows)
    expected = first_populations(sweep.experiment, [], sweep.rows, trainer.resources)
    with pytest.raises(NothingTrainedError):
        sweep.search()
    assert trainer.waiting == expected[: len(trainer.waiting)]
    assert {lane.key.candidate for population in expected for lane in population.lanes} == set(range(9))
