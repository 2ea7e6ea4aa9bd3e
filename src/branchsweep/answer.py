"""Answers trials: packs them into populations, has them trained side by side, and grades them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from branchsweep import packing, score
from branchsweep.data import Dataset, Split
from branchsweep.experiment import Experiment
from branchsweep.population import LaneOutcome, TrainingRows
from branchsweep.roles import Trainer, Watch
from branchsweep.trial import Result, Score, Trial


def training_rows(dataset: Dataset, split: Split) -> TrainingRows:
    """What a trainer may see: the training rows alone, with the folds as positions among them."""
    place = np.zeros(dataset.rows, np.int64)
    place[split.train] = np.arange(len(split.train))
    folds = tuple((place[train], place[validation]) for train, validation in split.folds)
    return TrainingRows(dataset.x[split.train], dataset.y[split.train], folds)


def answer(
    trials: Sequence[Trial], experiment: Experiment, rows: TrainingRows, trainer: Trainer, watch: Watch
) -> Iterator[Result]:
    """Trains trials side by side and yields each with its score as soon as all its lanes are through."""
    lanes = [lane for trial in trials for lane in packing.lanes_of(trial, experiment)]
    populations = packing.pack(lanes, experiment)
    watch.plan(sum(lane.stop for lane in lanes), f"{len(lanes)} lanes in {len(populations)} populations")
    by_number = {trial.number: trial for trial in trials}
    through: dict[int, dict[tuple[int, int], LaneOutcome]] = {trial.number: {} for trial in trials}
    seconds = dict.fromkeys(through, 0.0)
    for position, outcome in trainer.train(populations):
        population = populations[position]
        for trial, fold, seed, lane in zip(population.trials, population.folds, population.seeds, outcome.lanes, strict=True):
            through[trial][fold, seed] = lane
            seconds[trial] += outcome.seconds / len(outcome.lanes)
            if len(through[trial]) == experiment.lanes_per_trial:
                yield Result(by_number[trial], grade(experiment, through.pop(trial), rows, seconds[trial]))


def grade(experiment: Experiment, lanes: Mapping[tuple[int, int], LaneOutcome], rows: TrainingRows, seconds: float) -> Score:
    """The score of one trial over its lanes, given by (fold, seed)."""
    entries = [
        (f"fold {fold}, seed {seed}", outcome, rows.y[rows.of(fold)[1]]) for (fold, seed), outcome in sorted(lanes.items())
    ]
    return score.grade(entries, list(experiment.heads), seconds)
