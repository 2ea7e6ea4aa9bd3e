"""Says what a sweep would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from branchsweep import packing
from branchsweep.compare import Contestant
from branchsweep.data import Split
from branchsweep.drivers import open_driver
from branchsweep.experiment import Experiment
from branchsweep.population import Population
from branchsweep.trial import Trial

START_SECONDS = 12.0
"""Imports before, and the registry after the training, about."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would be trained.

    Args:
        sweep: The experiment's name.
        trials: In total.
        lanes: Networks behind them, baselines and the refit included.
        populations: How many groups of lanes would train at once.
        programs: How many programs would be compiled.
        widths: The widths that they are compiled for.
        workers: Processes that would train.
        seconds: An estimate of the whole.
    """

    sweep: str
    trials: int
    lanes: int
    populations: int
    programs: int
    widths: tuple[int, ...]
    workers: int
    seconds: float

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))


def outlook(experiment: Experiment, contestants: Sequence[Contestant], split: Split, workers: int) -> Outlook:
    """Asks a driver for all trials, telling it nothing: what it would ask if all answers were alike.

    A driver that learns will ask other trials later on, most often larger ones; the estimate is a first guess.
    """
    rounds = _rounds(experiment)
    asked = [trial for trials in rounds for trial in trials]
    populations = [
        population
        for trials in rounds
        for population in packing.pack([lane for trial in trials for lane in packing.lanes_of(trial, experiment)], experiment)
    ]
    populations += packing.pack([packing.refit_lane(asked[-1], experiment, 0, experiment.fit.epochs)], experiment)
    for contestant in contestants:
        if contestant.experiment:
            other = contestant.experiment
            populations += packing.pack(packing.lanes_of(Trial(0, next(iter(other.search.known.values()))), other), other)
    programs = {population.program for population in populations}
    return Outlook(
        sweep=experiment.name,
        trials=len(asked),
        lanes=sum(len(population.trials) for population in populations),
        populations=len(populations),
        programs=len(programs),
        widths=tuple(sorted({program.width for program in programs})),
        workers=workers,
        seconds=round(START_SECONDS + _training_seconds(populations, split, workers), 1),
    )


def _rounds(experiment: Experiment) -> list[list[Trial]]:
    driver, left = open_driver(experiment), experiment.search.trials
    rounds: list[list[Trial]] = []
    while left and (trials := driver.ask(min(experiment.search.batch, left))):
        rounds.append(trials)
        left -= len(trials)
    return rounds


def _training_seconds(populations: Sequence[Population], split: Split, workers: int) -> float:
    train, validation = split.folds[0]
    work = sum(packing.seconds(population, len(train), len(validation)) for population in populations)
    compiling = packing.COMPILE_SECONDS * len({population.program for population in populations})
    return (work + compiling) / workers
