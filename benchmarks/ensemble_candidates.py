"""Which trials an ensemble is chosen from: the best few, or those that predict best together in the search.

    python -m benchmarks.ensemble_candidates [--tables FOLDER] [--names enb,jura] [--seeds 3] [--trials 32] [--confirmed 8]
                                             [--epochs N] [--data PATH] [--quick] [--json]

Each table has the search space, folds and epochs that `branchsweep init` writes for it. Random trials are trained to their end
on all folds of the search, on the five folds of a confirmation, and on all training rows. Scores of a network do not depend on
what else is trained, so ensembles that are chosen in several ways are compared on the same networks, by R² on the test rows:

- `best`: the best trials of the search are confirmed, and weights are fitted to the predictions of the confirmation
  (`promotion.ensemble: {choose: stack}`);
- `greedy`, `stacked`: so are as many trials that greedy selection, or stacking, takes by what all trials predict for the
  validation rows of the search;
- `unconfirmed`: weights are fitted to the predictions of all trials in the search, and nothing is confirmed.

For every seed another fifth of the rows is the test rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT, setting_of, table_of
from branchsweep.config.experiment import Experiment
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.ensemble_selection import select_greedily
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import recipe_for
from branchsweep.models.stacking import stack
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import random_trials
from branchsweep.training.lanes import Lane, LaneOutcome, Stage, recipe_lanes, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Trial
from branchsweep.types import Floats
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.train_lanes import train_lanes

SIZE = 8
"""The most members of an ensemble."""

REFITS = 2
"""Networks of a trial that are trained on all training rows."""


def predictions_of(
    trials: Sequence[Trial], experiment: Experiment, rows: TrainingRows
) -> tuple[dict[int, Floats], dict[int, Floats], dict[int, Floats]]:
    """By trial, what its networks predict: in the search and in the confirmation for the training rows, then for the test rows.

    The last of the folds of `rows` is all training rows and the test rows.
    """
    parts = (range(experiment.folds), range(experiment.folds, len(rows.folds) - 1), [len(rows.folds) - 1])
    lanes: dict[tuple[int, int], list[Lane]] = {}
    for trial in trials:
        recipe = recipe_for(experiment, trial.params)
        lanes[trial.number, 0] = search_lanes(trial, experiment)
        lanes[trial.number, 1] = recipe_lanes(Stage.CONFIRMATION, recipe, experiment, product(parts[1], [0]))
        lanes[trial.number, 2] = recipe_lanes(Stage.COMPARISON, recipe, experiment, product(parts[2], range(REFITS)))
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        outcomes = train_lanes([lane for alike in lanes.values() for lane in alike], experiment, training)
    found: tuple[dict[int, Floats], ...] = ({}, {}, {})
    for (number, part), alike in lanes.items():
        found[part][number] = _pooled([(lane.key.fold, outcomes[lane.key]) for lane in alike], rows)
    finite = [trial.number for trial in trials if all(_is_finite(by_trial[trial.number], rows) for by_trial in found)]
    search, confirmation, test = ({number: by_trial[number] for number in finite} for by_trial in found)
    return search, confirmation, test


def _pooled(outcomes: Sequence[tuple[int, LaneOutcome]], rows: TrainingRows) -> Floats:
    """`(rows, heads)` the mean of what networks predict for the validation rows of their folds; 0 elsewhere."""
    total, count = np.zeros(rows.y.shape), np.zeros((len(rows.y), 1))
    for fold, outcome in outcomes:
        validation = rows.fold_rows(fold)[1]
        total[validation] += outcome.predictions
        count[validation] += 1
    return total / np.maximum(count, 1)


def _is_finite(predictions: Floats, rows: TrainingRows) -> bool:
    return bool(np.isfinite(predictions).all()) and len(predictions) == len(rows.y)


def of_seed(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """By way of choosing, the mean R² of the ensemble on the test rows."""
    experiment, _ = setting_of(name, seed, options)
    _, dataset = table_of(name, options)
    split = split_rows(experiment, dataset)
    folds = (*split.folds, *split.confirmation, (split.train, split.test))
    rows = TrainingRows(dataset.x, dataset.y, folds, dataset.heads, columns=dataset.columns)
    search, confirmation, test = predictions_of(random_trials(experiment, options.trials), experiment, rows)
    kinds, train = kinds_by_head(experiment), split.train
    heads = list(kinds.values())
    actual, actual_test = rows.actual.rows(train), rows.actual.rows(split.test)

    def at(by_trial: Mapping[int, Floats]) -> dict[int, Floats]:
        return {number: predictions[train] for number, predictions in by_trial.items()}

    def score(predictions: Floats) -> float:
        return mean_score(head_scores(actual_test, predictions[split.test], kinds))

    def ensemble(weights: Mapping[int, Floats]) -> float:
        return score(sum((weights[number] * test[number] for number in weights), np.zeros(rows.y.shape)))

    values = {number: mean_score(head_scores(actual, own, kinds)) for number, own in at(search).items()}
    ranking = sorted(values, key=lambda number: -values[number])

    def confirmed(first: Sequence[int]) -> float:
        chosen = list(dict.fromkeys([*first, *ranking]))[: options.confirmed]
        return ensemble(stack({number: confirmation[number][train] for number in chosen}, actual, heads, SIZE))

    taken = select_greedily(at(search), actual, kinds, 2 * options.confirmed, experiment.objective)
    stacked = stack(at(search), actual, heads, options.confirmed)
    return {
        "best": confirmed([]),
        "greedy": confirmed([ranking[0], *taken]),
        "stacked": confirmed([ranking[0], *stacked]),
        "unconfirmed": ensemble(stack(at(search), actual, heads, SIZE)),
    }


def main() -> None:
    """Measures and prints."""
    options = _tables.parsed(
        _tables.parser(__doc__, f"{POWER_PLANT},enb,jura"),
        seeds=_tables.Size("how many", 3, 1),
        trials=_tables.Size("of a search", 32, 12),
        confirmed=_tables.Size("trials that are confirmed", 8, 4),
        epochs=_tables.Size("of a network", None, 40),
    )
    measurements: dict[str, object] = {}
    for name in options.names:
        by_seed = [of_seed(name, seed, options) for seed in range(1, 1 + options.seeds)]
        measurements[name] = _tables.compared({way: [scores[way] for scores in by_seed] for way in by_seed[0]}, "test_r2")
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
