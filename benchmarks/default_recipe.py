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
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Change:
    """What a network has in place of a value of the recipe.

    Args:
        params: Other values, by the names of hyperparameters.
        epochs: The share of the table's epochs that it trains; its learning rate falls over these.
    """

    params: Params = field(default_factory=dict)
    epochs: float = 1.0


LEAKY: Params = {"activation": "leaky_relu"}

CHANGES: dict[str, Change] = {
    "recipe": Change(),
    "no dropout": Change({"trunk.dropout": 0.0}),
    "dropout 0.2": Change(dict.fromkeys(DROPOUTS, 0.2)),
    "dropout 0.3": Change(dict.fromkeys(DROPOUTS, 0.3)),
    "weight_decay 0.1": Change({"weight_decay": 0.1}),
    "weight_decay 0.3": Change({"weight_decay": 0.3}),
    "weight_decay 0.3, dropout 0.2": Change({"weight_decay": 0.3, **dict.fromkeys(DROPOUTS, 0.2)}),
    "weight_decay 0.3, trunk.dropout 0.2": Change({"weight_decay": 0.3, "trunk.dropout": 0.2}),
    "weight_decay 0.5": Change({"weight_decay": 0.5}),
    "weight_decay 1": Change({"weight_decay": 1.0}),
    "weight_decay 1, dropout 0.2": Change({"weight_decay": 1.0, **dict.fromkeys(DROPOUTS, 0.2)}),
    "learning_rate 0.002": Change({"learning_rate": 2e-3}),
    "learning_rate 0.01": Change({"learning_rate": 1e-2}),
    "quantile": Change({"input_scaling": "quantile"}),
    "quantile, weight_decay 1": Change({"input_scaling": "quantile", "weight_decay": 1.0}),
    "without clipping": Change({"output_clipping": "none"}),
    "target_noise 0.3": Change({"target_noise": 0.3}),
    "half the epochs": Change(epochs=0.5),
    "a quarter of the epochs": Change(epochs=0.25),
    "silu": Change({"activation": "silu"}),
    "relu": Change({"activation": "relu"}),
    "leaky_relu": Change(LEAKY),
    "leaky_relu, half the epochs": Change(LEAKY, epochs=0.5),
    "leaky_relu, a quarter of the epochs": Change(LEAKY, epochs=0.25),
    "leaky_relu, learning_rate 0.002": Change({**LEAKY, "learning_rate": 2e-3}),
    "leaky_relu, learning_rate 0.01": Change({**LEAKY, "learning_rate": 1e-2}),
    "leaky_relu, weight_decay 0.3": Change({**LEAKY, "weight_decay": 0.3}),
    "leaky_relu, weight_decay 0.3, half the epochs": Change({**LEAKY, "weight_decay": 0.3}, epochs=0.5),
    "leaky_relu, trunk.dropout 0.3": Change({**LEAKY, "trunk.dropout": 0.3}),
}
"""The first one is what the others are compared with."""


def of_seed(name: str, seed: int, changes: dict[str, Change], options: argparse.Namespace) -> dict[str, float]:
    """By change, the mean score on the validation rows; -1 where a network diverged."""
    experiment, rows = setting_of(name, seed, options)
    recipe = default_recipe(list(experiment.heads), budget_for(len(rows.x), test_fraction=0.0))
    experiment = experiment.model_copy(
        update={
            "space": SearchSpace(dimensions={}, fixed={}),
            "pruning": experiment.pruning_schedule.model_copy(update={"rungs": []}),
        }
    )
    epochs = experiment.fit.epochs
    trials = [
        Trial(number, {**recipe, **change.params, "epochs": max(1, round(change.epochs * epochs))})
        for number, change in enumerate(changes.values())
    ]
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
