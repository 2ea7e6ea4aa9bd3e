"""What a categorical column costs, and what it is worth: one-hot, hashed, and as a learned embedding.

    python -m benchmarks.categories [--categories 10,100,1000] [--seeds 5] [--networks 4] [--quick] [--json]

A table is planted: the first target is a number of the row's category and a function of three numeric inputs, the second has a
slope of the category in one of them. Networks of one recipe read the category in these ways:

- one_hot: a column of 0 and 1 for each category;
- hash: a checksum of the category picks one of 16 columns, which categories share (of 64: hash_64);
- embedding: one-hot, and a first layer of eight units (then 16, 32 and 64), in which a category has eight weights of its own.

A seed decides table, test rows and initial weights. Ways are compared with one_hot, seed by seed: R² on the test rows, averaged
over heads and networks, and the seconds of a network's epoch, without compiling.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from benchmarks import _measure
from branchsweep.config.experiment import Experiment
from branchsweep.data.loading import load_dataset
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import recipe_for
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params

ONE_HOT: Params = {"one_hot_limit": 10_000}
WAYS: dict[str, Params] = {
    "one_hot": ONE_HOT,
    "hash": {"one_hot_limit": 0},
    "hash_64": {"one_hot_limit": 0, "hash_columns": 64},
    "embedding": {**ONE_HOT, "trunk.depth": 4, "trunk.width": 8, "trunk.taper": 2.0},
}
"""The first one is what the others are compared with."""

NUMBERS = ["a", "b", "c"]


class Measured(NamedTuple):
    """A way to read the category, with one seed.

    Args:
        test_r2: The mean over heads and networks.
        milliseconds: Of a network's epoch.
        width: Encoded columns.
    """

    test_r2: float
    milliseconds: float
    width: int


def planted_table(categories: int, rows: int, seed: int) -> pd.DataFrame:
    """A categorical column, three numeric ones and two targets that depend on all of them."""
    random = np.random.default_rng(seed)
    kind, numbers = random.integers(0, categories, rows), random.normal(size=(rows, len(NUMBERS)))
    level, slope = random.normal(size=(2, categories))
    smooth = np.sin(2 * numbers[:, 0]) + 0.5 * numbers[:, 1] ** 2
    f = level[kind] + smooth + random.normal(size=rows) * 0.3
    g = slope[kind] * numbers[:, 2] + 0.5 * smooth + random.normal(size=rows) * 0.3
    return pd.DataFrame(
        {"kind": [f"k{number}" for number in kind], **dict(zip(NUMBERS, numbers.T, strict=True)), "f": f, "g": g}
    )


def one_seed(options: Namespace, categories: int, seed: int) -> dict[str, Measured]:
    """What was measured, by way."""
    written = Experiment.model_validate(
        {
            "name": "categories",
            "seed": seed,
            "table": {"source": "dataframe", "inputs": {"kind": {"kind": "categorical"}, **{name: {} for name in NUMBERS}}},
            "heads": {"f": {}, "g": {}},
            "space": {"dimensions": {}},
            "fit": {"epochs": options.epochs, "keep": "last"},
        }
    )
    dataset = load_dataset(written, planted_table(categories, options.rows, seed))
    experiment = written.with_inputs(dataset.input_columns)
    train, test = train_test_split(np.arange(dataset.rows), test_size=0.2, random_state=seed)
    rows = TrainingRows(dataset.x, dataset.y, ((train, test),), dataset.heads, columns=dataset.columns)
    actual, kinds = rows.actual.rows(test), kinds_by_head(experiment)

    def measured(params: Params) -> Measured:
        watch = _measure.Stopwatch(PopulationTrainer(rows))
        (of_networks,) = _measure.trained_predictions({"": params}, rows, experiment, options.networks, watch)[""]
        score = statistics.fmean(mean_score(head_scores(actual, predicted, kinds)) for predicted in of_networks)
        per_epoch = 1000 * watch.train_seconds / options.networks / options.epochs
        return Measured(score, per_epoch, recipe_for(experiment, params).encoded_width(dataset.columns))

    found = {way: measured(params) for way, params in WAYS.items()}
    _measure.note(f"{categories} categories, seed {seed}: {found}")
    return found


def compared(seeds: list[dict[str, Measured]]) -> dict[str, object]:
    """By way, the means over the seeds, what it gains over the first one, and how many times as long it takes (median)."""
    first = [seed[next(iter(WAYS))] for seed in seeds]
    return {
        way: {
            "encoded_columns": seeds[0][way].width,
            "test_r2": statistics.fmean(seed[way].test_r2 for seed in seeds),
            "gained": _measure.paired_gain([seed[way].test_r2 for seed in seeds], [one.test_r2 for one in first]),
            "ms_per_network_epoch": statistics.median(seed[way].milliseconds for seed in seeds),
            "time_ratio": statistics.median(
                seed[way].milliseconds / one.milliseconds for seed, one in zip(seeds, first, strict=True)
            ),
        }
        for way in WAYS
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--categories", help="how many the column has", default=None)
    parser.add_argument("--rows", type=int, help="of the table: 5,000, or 1,000 with --quick")
    parser.add_argument("--seeds", type=int, help="how many: 5, or 1 with --quick")
    parser.add_argument("--networks", type=int, help="of a seed and way: 4, or 1 with --quick")
    parser.add_argument("--epochs", type=int, help="of a network: 60, or 5 with --quick")
    options = parser.parse_args()
    options.rows, options.seeds, options.networks, options.epochs = (
        given or (small if options.quick else full)
        for given, small, full in (
            (options.rows, 1000, 5000),
            (options.seeds, 1, 5),
            (options.networks, 1, 4),
            (options.epochs, 5, 60),
        )
    )
    numbers = [int(number) for number in (options.categories or ("10,100" if options.quick else "10,100,1000")).split(",")]
    measurements: dict[str, object] = {
        f"{number} categories": compared([one_seed(options, number, seed) for seed in range(1, 1 + options.seeds)])
        for number in numbers
    }
    _measure.conclude(
        measurements | {name: getattr(options, name) for name in ("rows", "seeds", "networks", "epochs")}, options.json
    )


if __name__ == "__main__":
    main()
