"""The default recipe: what changes of it are worth, on the tables on which it was chosen.

    python -m benchmarks.default_recipe [--tables FOLDER] [--names enb,jura,edm,slump] [--seeds 3] [--only NAME …]
                                        [--epochs N] [--data PATH] [--quick] [--json]

Each table has the folds and epochs that `branchsweep init` writes for it. In every fold one network is trained by the default
recipe (`workflows/starting_point.py`), and one by the recipe with each change; for every seed another fifth of the rows is left
out. Compared is R² on the validation rows, averaged over heads and folds, seed by seed. `benchmarks.default_trial` shows the
recipe on other tables.
"""

from __future__ import annotations

import argparse
import json

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT, setting_of
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.runtime import cache_folder
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Params, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.starting_point import budget_for, default_recipe

DROPOUTS = ("trunk.dropout", "branch.dropout")

CHANGES: dict[str, Params] = {
    "recipe": {},
    "no dropout": {"trunk.dropout": 0.0},
    "dropout 0.2": dict.fromkeys(DROPOUTS, 0.2),
    "dropout 0.3": dict.fromkeys(DROPOUTS, 0.3),
    "weight_decay 0.1": {"weight_decay": 0.1},
    "weight_decay 0.3": {"weight_decay": 0.3},
    "weight_decay 0.3, dropout 0.2": {"weight_decay": 0.3, **dict.fromkeys(DROPOUTS, 0.2)},
    "weight_decay 0.3, trunk.dropout 0.2": {"weight_decay": 0.3, "trunk.dropout": 0.2},
    "weight_decay 0.5": {"weight_decay": 0.5},
    "weight_decay 1": {"weight_decay": 1.0},
    "weight_decay 1, dropout 0.2": {"weight_decay": 1.0, **dict.fromkeys(DROPOUTS, 0.2)},
    "learning_rate 0.002": {"learning_rate": 2e-3},
    "learning_rate 0.01": {"learning_rate": 1e-2},
    "quantile": {"input_scaling": "quantile"},
    "quantile, weight_decay 1": {"input_scaling": "quantile", "weight_decay": 1.0},
    "without clipping": {"output_clipping": "none"},
    "target_noise 0.3": {"target_noise": 0.3},
}
"""The first one is what the others are compared with."""


def of_seed(name: str, seed: int, changes: dict[str, Params], options: argparse.Namespace) -> dict[str, float]:
    """By change, the mean score on the validation rows; -1 where a network diverged."""
    experiment, rows = setting_of(name, seed, options)
    recipe = default_recipe(list(experiment.heads), budget_for(len(rows.x), test_fraction=0.0))
    experiment = experiment.model_copy(
        update={
            "space": SearchSpace(dimensions={}, fixed={}),
            "pruning": experiment.pruning_schedule.model_copy(update={"rungs": []}),
        }
    )
    trials = [Trial(number, {**recipe, **params}) for number, params in enumerate(changes.values())]
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        results = list(_measure.run_trials(trials, experiment, TrainingContext(trainer, rows, NoProgress())))
    names = list(changes)
    return {
        names[result.trial.number]: max(result.score.value, -1.0) if result.score.is_complete else -1.0 for result in results
    }


def main() -> None:
    """Measures and prints."""
    parser = _tables.parser(__doc__, f"{POWER_PLANT},enb,jura,edm,slump")
    _tables.add_only(parser)
    options = _tables.parsed(parser, seeds=_tables.Size("how many", 3, 1), epochs=_tables.Size("of a network", None, 40))
    changes = _tables.chosen(CHANGES, options.only)
    measurements: dict[str, object] = {}
    for name in options.names:
        by_seed = [of_seed(name, seed, changes, options) for seed in range(1, 1 + options.seeds)]
        measurements[name] = _tables.compared({change: [scores[change] for scores in by_seed] for change in changes}, "r2")
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
