"""The nested score of a table of the Mulan collection: an outer cross-validation from a YAML file of fifteen lines.

    python -m benchmarks.nested_score --tables FOLDER [--quick] [--json]

FOLDER has enb.arff (energy efficiency: 768 rows, two targets). In each of ten outer folds a sweep searches twelve random trials
on the other rows, trains the best two again, and refits the chosen one as three networks, whose mean predicts the rows of the
fold. aRRMSE is the mean over the targets of the root of the squared errors over those of the training rows' mean.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import _measure
from branchsweep.api.running import cross_validate
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.runtime import temporary_folder

EXPERIMENT = """\
name: enb
table: {source: enb.arff, inputs: "*"}
heads: {heating: {column: Y1}, cooling: {column: Y2}}
space:
  dimensions:
    trunk.depth: {type: int, low: 2, high: 4}
    trunk.width: {type: choice, choices: [64, 128], ordered: true}
    learning_rate: {type: float, low: 1e-3, high: 1e-2, log: true}
  fixed: {batch_size: 16, branch.depth: 1, branch.width: 32, optimizer: adam, learning_rate_schedule: cosine}
search: {driver: random, trials: 12, batch: 12}
fit: {epochs: 300}
confirmation: {trials: 2, folds: 3, seeds: 1}
baselines: [linear_regression]
promotion: {model: enb, ensemble: {size: 3}}
test: {folds: 10}
"""

QUICK = ("test.folds=2", "search.trials=2", "fit.epochs=10", "promotion.ensemble.size=2", "confirmation.trials=1")


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="a folder with enb.arff")
    options = parser.parse_args()
    with temporary_folder() as folder:
        file = folder / "enb.yaml"
        file.write_text(EXPERIMENT, encoding="utf-8")
        experiment = load_experiment(file, QUICK if options.quick else ())
        table, store = str(options.data or options.tables / "enb.arff"), f"sqlite:///{folder / 'mlflow.db'}"
        result = cross_validate(experiment, table, tracking_uri=store)
    rrmse = result.scores["rrmse"]
    _measure.conclude(
        {
            "arrmse": rrmse.mean,
            "standard_error": rrmse.errors["mean"],
            "rrmse": dict(rrmse.values),
            "r2": dict(result.scores["r2"].values),
            "folds": len(result.folds),
            "seconds": result.seconds,
        },
        options.json,
    )


if __name__ == "__main__":
    main()
