"""How many trials of a search to confirm, and from how many seeds, so that the finalist is worth most.

    python -m benchmarks.confirmed_trials [--tables FOLDER] [--names jura,slump,edm,enb,atp1d] [--seeds 3] [--first-seed 1]
                                          [--trials 64] [--data PATH] [--quick] [--json]

A search by TPE runs with the space, folds, epochs and pruning that `branchsweep init` writes for a table. Its best eight trials
(with that pruning it trains eight of 64 to their end) are then trained on the folds of the confirmation from four seeds, and
once more on other folds from four others, which say what each is worth. The finalist is the trial with the highest mean
over the seeds that confirm; for each number of trials and seeds, all groups of as many of the four seeds choose in turn.
Compared is what the finalists are worth, paired by seed of the search, which decides the test rows, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import _measure, _tables
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.promotion import Confirmation
from branchsweep.config.sections.search import Search
from branchsweep.data.training_rows import training_rows
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Trial
from branchsweep.types import Floats
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search

CONFIRMED, SEEDS, FRESH_SEEDS = 8, 4, 4
"""The best trials of a search, the seeds that may confirm them, and those that say what they are worth."""

OTHER_FOLDS = 1000
"""Added to the seed for the folds that say what a trial is worth."""

CHOICES = ((4, 1, False), (1, 1, False), (4, 1, True), (8, 1, False), (8, 1, True), (4, 4, False), (8, 4, False), (8, 4, True))
"""Trials and seeds of a confirmation, and whether the score of the search counts as much as that of the confirmation. The first
is what `branchsweep init` wrote for all tables, the second what the search chooses."""


@dataclass(frozen=True)
class Confirmed:
    """The best trials of a search, the best first.

    Args:
        scores: `(trials, seeds)`: the mean score over folds and heads from each seed of the confirmation.
        searched: `(trials,)`: the score in the search.
        worth: `(trials,)`: the mean score on other folds from other seeds.
        search_seconds: Of the search.
        lane_seconds: Of one network of the confirmation on one fold, trained beside the others.
    """

    scores: Floats
    searched: Floats
    worth: Floats
    search_seconds: float
    lane_seconds: float

    def finalist(self, trials: int, seeds: int, with_search: bool) -> float:
        """What the finalist is worth, the mean over groups of so many seeds."""
        groups = self.scores[:trials].reshape(len(self.scores[:trials]), -1, seeds).mean(axis=2)
        if with_search:
            groups = (groups + self.searched[:trials, None]) / 2
        return float(self.worth[groups.argmax(axis=0)].mean())


def confirmed_trials(name: str, seed: int, options: Any) -> Confirmed:
    """A search, and its best trials confirmed and evaluated."""
    written = _tables.full_setting_of(name, seed, options)
    search = Search(driver="optuna", algorithm="tpe", trials=options.trials, batch=min(32, options.trials), default_trial=False)
    experiment = written.experiment.model_copy(update={"search": search, "confirmation": Confirmation(folds=5, seeds=SEEDS)})
    fresh = experiment.model_copy(update={"seed": OTHER_FOLDS + seed, "confirmation": Confirmation(folds=5, seeds=FRESH_SEEDS)})
    own, other = written.of(experiment), written.of(fresh)
    assert (own.split.train == other.split.train).all(), "the test rows are no others"
    rows = training_rows(own.dataset, own.split)
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        began = time.perf_counter()
        tracker = MemoryTracker.open(new_sweep_record(experiment, own.dataset, own.split))
        results = run_search(experiment, open_driver(experiment), training, tracker).results
        searched = time.perf_counter()
        ranking = make_evaluator(experiment.objective, results).ranking(results)[:CONFIRMED]
        best = [result.trial for result in ranking]
        scored = confirm(best, experiment, training)
        seconds = (time.perf_counter() - searched) / (len(best) * 5 * SEEDS)
        others = training_rows(other.dataset, other.split)
        trainer.use_rows(others)
        worth = confirm(best, fresh, replace(training, rows=others))
    return Confirmed(
        np.nan_to_num(np.array([by_seed(trial) for trial in scored]), nan=-1e9),
        np.array([result.score.value for result in ranking]),
        np.array([trial.score.value for trial in worth]),
        searched - began,
        seconds,
    )


def confirm(trials: Sequence[Trial], experiment: Experiment, training: TrainingContext) -> list[ReevaluatedTrial]:
    """These trials, trained on the folds of a confirmation."""
    return reevaluate([ConfirmationCandidate(str(trial.number), experiment, trial) for trial in trials], experiment, training)


def by_seed(trial: ReevaluatedTrial) -> list[float]:
    """The mean score over folds and heads from each seed; NaN where a network diverged."""
    found: dict[int, list[float]] = {}
    for (_, seed), scores in trial.lane_scores.items():
        found.setdefault(seed, []).append(statistics.fmean(scores.values()))
    return [statistics.fmean(found[seed]) if seed in found else float("nan") for seed in range(SEEDS)]


def label(trials: int, seeds: int, with_search: bool) -> str:
    """What a choice is called."""
    return f"{trials} trials, {seeds} seeds{', with the search' if with_search else ''}"


def of_table(name: str, options: Any) -> dict[str, Any]:
    """By choice, what finalists are worth, and what is gained over what `branchsweep init` writes."""
    found: list[Confirmed] = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        found.append(confirmed_trials(name, seed, options))
        _measure.note(f"{name}, seed {seed}: {[round(found[-1].finalist(*choice), 4) for choice in CHOICES]}")
    values = {label(*choice): [one.finalist(*choice) for one in found] for choice in CHOICES}
    return {
        "search_seconds": statistics.median(one.search_seconds for one in found),
        "confirmation_seconds": {
            label(*choice): statistics.median(one.lane_seconds for one in found) * choice[0] * choice[1] * 5
            for choice in CHOICES
        },
        "finalists": _tables.compared(values, "r2"),
    }


def main() -> None:
    """Measures and prints."""
    reader = _tables.parser(__doc__, "jura,slump,edm,enb,atp1d")
    reader.add_argument("--first-seed", type=int, default=1, help="of the searches; the others follow it")
    options = _tables.parsed(
        reader,
        seeds=_tables.Size("searches of a table, each with its own rows for the test", 3, 1),
        trials=_tables.Size("of a search", 64, 8),
        epochs=_tables.Size("of a network", None, 10),
    )
    _measure.conclude({name: of_table(name, options) for name in options.names}, options.json)


if __name__ == "__main__":
    main()
