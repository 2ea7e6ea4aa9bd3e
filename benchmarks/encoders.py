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
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.model_selection import ShuffleSplit

from benchmarks import _measure
from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import load_dataset, with_named_inputs
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

POWER_PLANT = "power plant"


def table_of(name: str, options: argparse.Namespace) -> tuple[Experiment, Dataset]:
    """An experiment on one of the tables, with its rows."""
    power_plant = name == POWER_PLANT
    heads: dict[str, dict[str, str]] = {"PE": {}, "V": {}}
    table: dict[str, object] = {"source": "ccpp", "inputs": ["AT", "AP", "RH"]}
    if not power_plant:
        targets = json.loads((options.tables / "targets.json").read_text(encoding="utf-8"))[name]
        heads = {f"head_{number}": {"column": target} for number, target in enumerate(targets)}
        table = {"source": str(options.tables / f"{name}.arff"), "inputs": {"*": {"missing": "indicator"}}}
    experiment = Experiment.model_validate(
        {
            "name": "encoders",
            "table": table,
            "heads": heads,
            "space": {"dimensions": {}},
            "fit": {"epochs": options.epochs, "keep": "last"},
        }
    )
    data = options.data if power_plant else None
    experiment = with_named_inputs(experiment, data)
    dataset = load_dataset(experiment, data)
    return experiment.with_inputs(dataset.input_columns), dataset


def scores_by_split(
    experiment: Experiment, dataset: Dataset, changes: Mapping[str, Params], options: argparse.Namespace
) -> dict[str, list[float]]:
    """By change of the recipe, the mean R² of the heads on the test rows of each split."""
    cuts = ShuffleSplit(options.splits, test_size=0.2, random_state=1).split(dataset.x)
    rows = TrainingRows(dataset.x, dataset.y, tuple(cuts), dataset.heads, columns=dataset.columns)
    kinds = kinds_by_head(experiment)
    recipes = {name: {"weight_decay": 0.01, **options.fixed, **params} for name, params in changes.items()}
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
    parser = _measure.parser(description)
    parser.add_argument("--tables", type=Path, help="a folder of arff files and targets.json; the power plant alone if absent")
    parser.add_argument(
        "--names", help="of tables in it, and `power plant`", default=f"{POWER_PLANT},enb,jura,edm,water-quality"
    )
    parser.add_argument("--splits", type=int, help="how many: 5, or 2 with --quick")
    parser.add_argument("--networks", type=int, help="of a split and encoding: 4, or 1 with --quick")
    parser.add_argument("--epochs", type=int, help="of a network: 60, or 5 with --quick")
    parser.add_argument("--only", nargs="+", help="changes whose names begin like this, beside the first one", default=[""])
    parser.add_argument("--input-scaling", help="of the recipe, where a change does not say it", default="quantile")
    options = parser.parse_args()
    options.fixed = {"input_scaling": options.input_scaling}
    options.splits, options.networks, options.epochs = (
        given or (small if options.quick else full)
        for given, small, full in ((options.splits, 2, 5), (options.networks, 1, 4), (options.epochs, 5, 60))
    )
    names = options.names.split(",") if options.tables else [POWER_PLANT]
    recipe, *others = changes
    changes = {name: changes[name] for name in (recipe, *(name for name in others if name.startswith(tuple(options.only))))}
    measurements: dict[str, object] = {}
    for name in names:
        scores = scores_by_split(*table_of(name, options), changes, options)
        first = next(iter(scores.values()))
        measurements[name] = {
            change: {"test_r2": statistics.fmean(values), "gained": _measure.paired_gain(values, first)}
            for change, values in scores.items()
        }
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(
        measurements | {"splits": options.splits, "networks": options.networks, "epochs": options.epochs}, options.json
    )


if __name__ == "__main__":
    measure(ENCODINGS, __doc__)
