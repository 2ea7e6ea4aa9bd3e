"""The default trial: how good a search is after few trials, with it and without.

    python -m benchmarks.default_trial --tables FOLDER [--names water-quality,scpf,oes97,atp1d,osales] [--seeds 3] [--trials 16]
                                       [--epochs N] [--data PATH] [--quick] [--json]

Each table has the search space, folds and epochs that `branchsweep init` writes for it. Both searches ask the same driver with
the same seed; with `search.default_trial` the first trial is the default trial, and all others are the same. For every seed
another fifth of the rows is left out. Compared are, after 1, 8 and 16 trials, the best score on the validation rows of the
search, and the score of that trial trained anew from other seeds on other folds (`confirmed`), which is not flattered by having
been chosen. The default recipe was chosen on the power-plant table, enb, jura, edm and slump, so it is shown on others.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence

from benchmarks import _measure, _tables
from benchmarks._tables import setting_of
from branchsweep.config.experiment import Experiment
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.resolved_experiment import with_default_trial

OTHERS = "water-quality,scpf,oes97,atp1d,osales"
"""Tables on which the default recipe was not chosen."""

BUDGETS = (1, 8, 16)
"""Numbers of trials after which the searches are compared."""


def searches(experiment: Experiment, rows: int, trials: int) -> dict[str, list[Trial]]:
    """The first trials of both searches, which differ in one alone; the driver makes an evenly spread design of them."""
    search = {"trials": trials, "batch": trials, "initial_trials": {}, "pending_rounds": 0}

    def asked(default_trial: bool) -> list[Trial]:
        updated = experiment.search.model_copy(update={**search, "default_trial": default_trial})
        return open_driver(with_default_trial(experiment.model_copy(update={"search": updated}), rows)).ask(trials)

    return {"with": asked(True), "without": asked(False)}


def of_seed(name: str, seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """By search and number of trials (`with, 8 trials`), the best score in the search and on other folds."""
    experiment, rows = setting_of(name, seed, options)
    experiment = experiment.model_copy(update={"pruning": experiment.pruning_schedule.model_copy(update={"rungs": []})})
    asked = searches(experiment, len(rows.x), options.trials)
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        scored: dict[str, float] = {}
        for alike in (asked["without"], asked["with"][:1]):  # all others are trials of both
            for result in _measure.run_trials(alike, experiment, training):
                scored[repr(result.trial)] = result.score.value if result.score.is_complete else -1e9
        best = {
            f"{label}, {count} trials": max(trials[:count], key=lambda trial: scored[repr(trial)])
            for label, trials in asked.items()
            for count in BUDGETS
            if count <= options.trials
        }
        chosen = list({repr(trial): trial for trial in best.values()}.values())
        confirmed = reevaluate(
            [ConfirmationCandidate(repr(trial), experiment, trial) for trial in chosen], experiment, training
        )
    values = {trial.candidate.name: trial.score.value for trial in confirmed}
    return {label: {"search": scored[repr(trial)], "confirmed": values[repr(trial)]} for label, trial in best.items()}


def compared(measured: Sequence[Mapping[str, Mapping[str, float]]], trials: int) -> dict[str, object]:
    """By number of trials, the mean of both scores without the default trial, and what it gains, paired."""
    found: dict[str, object] = {}
    for count in (count for count in BUDGETS if count <= trials):
        for score in ("search", "confirmed"):
            with_one, without = (
                [by_label[f"{label}, {count} trials"][score] for by_label in measured] for label in ("with", "without")
            )
            gained = _measure.paired_gain(with_one, without)
            found[f"{count} trials, {score}"] = {"without": statistics.fmean(without), "gained": gained}
    return found


def main() -> None:
    """Measures and prints."""
    options = _tables.parsed(
        _tables.parser(__doc__, OTHERS),
        seeds=_tables.Size("how many", 3, 1),
        trials=_tables.Size("of a search", 16, 8),
        epochs=_tables.Size("of a network", None, 40),
    )
    measurements: dict[str, object] = {}
    pooled = []
    for name in options.names:
        of_table = [of_seed(name, seed, options) for seed in range(1, 1 + options.seeds)]
        pooled += of_table
        measurements[name] = compared(of_table, options.trials)
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(measurements | {"all tables": compared(pooled, options.trials)}, options.json)


if __name__ == "__main__":
    main()
