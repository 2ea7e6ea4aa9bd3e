"""What encodings of numeric inputs are worth: test scores of one recipe with each of them, on the power-plant table and others.

    python -m benchmarks.encoders --tables FOLDER [--names enb,jura,edm,water-quality] [--splits 5] [--networks 4]
                                  [--only NAME …] [--data PATH] [--quick] [--json]

FOLDER has tables as arff files and their targets in targets.json. Each table is divided at random several times, a fifth of its
rows for the test. On the others, networks of one recipe are trained with each encoding, every network from other initial
weights; the mean of their predictions is scored: R², averaged over the heads. Encodings are compared split by split.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

import numpy as np
from sklearn.model_selection import ShuffleSplit

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT
from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params
from branchsweep.types import Floats

ENCODINGS: dict[str, Params] = {
    "quantile": {"input_scaling": "quantile"},
    "standard": {"input_scaling": "standard"},
    "robust": {"input_scaling": "robust"},
    "piecewise_linear": {"input_scaling": "piecewise_linear", "bins": 48},
    "piecewise_linear, 16 bins": {"input_scaling": "piecewise_linear", "bins": 16},
    "piecewise_linear_tree, 16 bins": {"input_scaling": "piecewise_linear_tree", "bins": 16},
}
"""The first one is what the others are compared with."""


def scores_by_split(
    experiment: Experiment, dataset: Dataset, changes: Mapping[str, Params], options: argparse.Namespace
) -> dict[str, list[float]]:
    """By change of the recipe, the mean R² of the heads on the test rows of each split."""
    cuts = ShuffleSplit(options.splits, test_size=0.2, random_state=1).split(dataset.x)
    rows = TrainingRows(dataset.x, dataset.y, tuple(cuts), dataset.heads, columns=dataset.columns)
    kinds = kinds_by_head(experiment)
    recipes = {
        name: {"weight_decay": 0.01, "input_scaling": options.input_scaling, **params} for name, params in changes.items()
    }
    predictions = _measure.trained_predictions(recipes, rows, experiment, options.networks)
    actual = [rows.actual.rows(held_out) for _, held_out in rows.folds]

    def score(cut: int, of_networks: list[Floats]) -> float:
        return mean_score(head_scores(actual[cut], np.mean(of_networks, axis=0), kinds))

    return {name: [score(cut, alike) for cut, alike in enumerate(by_cut)] for name, by_cut in predictions.items()}


def measure(changes: Mapping[str, Params], description: str | None) -> None:
    """Measures and prints.

    Args:
        changes: By name, what is changed in the recipe; all are compared with the first.
        description: Of the benchmark, for `--help`.
    """
    parser = _tables.parser(description, f"{POWER_PLANT},enb,jura,edm,water-quality")
    _tables.add_only(parser)
    parser.add_argument("--input-scaling", help="of the recipe, where a change does not say it", default="quantile")
    options = _tables.parsed(
        parser,
        splits=_tables.Size("how many", 5, 2),
        networks=_tables.Size("of a split and encoding", 4, 1),
        epochs=_tables.Size("of a network", 60, 5),
    )
    changes = _tables.chosen(changes, options.only)
    measurements: dict[str, object] = {}
    for name in options.names:
        experiment, dataset = _tables.table_of(name, options, options.epochs)
        measurements[name] = _tables.compared(scores_by_split(experiment, dataset, changes, options), "test_r2")
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(
        measurements | {"splits": options.splits, "networks": options.networks, "epochs": options.epochs}, options.json
    )


if __name__ == "__main__":
    measure(ENCODINGS, __doc__)
