"""A shipped experiment against scikit-learn's random forests, over several divisions of the power-plant table.

    python -m benchmarks.forests [--experiment branched] [--seeds 2,3,4,5,6,7,8,9,10,11] [--tracking-uri URI] [--data PATH]
                                 [--estimators-alone] [--quick] [--json]

For each seed of the test rows the whole experiment runs, with all choices on the training rows. Its model and estimators are
scored on the same test rows: nearest neighbors with a learned metric, and two random forests of 300 trees, one per head and one
joint. Reported are R² by head, paired differences with their standard errors, and the share of test rows whose actual values
lie inside the model's 90 % prediction intervals (`joint`: those of all heads at once), with standard errors. With
`--tracking-uri` sweeps that the store has finished are not repeated. With `--estimators-alone` no experiment runs, and the
differences are those of the nearest neighbors to the forests.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

from benchmarks import _measure
from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.models.baselines import ALL_HEADS, fit, make_estimators
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params
from branchsweep.types import Floats
from branchsweep.workflows.launch import launch_sweep
from branchsweep.workflows.session import Session, load_rows

TREES = 300

SEEDS = range(2, 12)
"""Of the test rows. 1 is the shipped experiment's own, by which it was written."""

QUICK = ("search.trials=8", "fit.epochs=5", "confirmation.trials=1", "promotion.ensemble=null")


NEIGHBORS: Params = {"n_neighbors": 15, "weights": "distance", "metric": "learned"}


def estimator_scores(experiment: Experiment, data: Path | None) -> dict[str, list[float]]:
    """R² by head of nearest neighbors and a forest for each head, and of a forest for all heads."""
    dataset, split = load_rows(experiment, Session(data=data))
    x, y, test_x, test_y = dataset.x[split.train], dataset.y[split.train], dataset.x[split.test], dataset.y[split.test]

    def predicted(targets: Floats) -> Floats:
        forest = RandomForestRegressor(TREES, random_state=0, n_jobs=-1)
        return np.asarray(forest.fit(x, targets).predict(test_x))

    each = [float(r2_score(test_y[:, head], predicted(y[:, head]))) for head in range(y.shape[1])]
    joint = [float(score) for score in r2_score(test_y, predicted(y), multioutput="raw_values")]
    made = make_estimators("k_nearest_neighbors", kinds_by_head(experiment), params={ALL_HEADS: NEIGHBORS})
    near = [float(score) for score in r2_score(test_y, fit(made, x, y).predict(test_x), multioutput="raw_values")]
    return {"nearest_neighbors": near, "random_forest": each, "joint_random_forest": joint}


def paired(values: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> dict[str, list[float | None]]:
    """By head, the mean difference over the seeds and its standard error."""
    differences = [
        [value - other for value, other in zip(*pair, strict=True)]
        for pair in zip(zip(*values, strict=True), zip(*others, strict=True), strict=True)
    ]
    means, errors = zip(*map(mean_and_error, differences), strict=True)
    return {"mean": list(means), "standard_error": list(errors)}


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Their mean and its standard error; None for that of a single value."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.fmean(values), error


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--experiment", default="branched", help="of those in experiments/")
    parser.add_argument("--seeds", help="of the test rows, with commas: 2 to 11, or 2 and 3 with --quick")
    parser.add_argument("--tracking-uri", type=Address, help="the store of the sweeps; a temporary one if absent")
    parser.add_argument(
        "--estimators-alone", action="store_true", help="run no experiment, compare nearest neighbors with forests"
    )
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else [*SEEDS][: 2 if options.quick else None]
    scores: dict[str, list[list[float]]] = {}
    coverage: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = options.tracking_uri or Address(f"sqlite:///{folder}/mlflow.db")
        for seed in seeds:
            overrides = [f"test.seed={seed}", *(QUICK if options.quick else ())]
            experiment = load_experiment(_measure.EXPERIMENTS / f"{options.experiment}.yaml", overrides)
            found = estimator_scores(experiment, options.data)
            if not options.estimators_alone:
                summary = launch_sweep(experiment, Session(data=options.data, tracking_uri=store))
                if summary.test_scores is None:
                    raise SystemExit(f"seed {seed}: the refit diverged")
                found = {"model": list(summary.test_scores.values()), **found}
                if summary.intervals and summary.intervals.joint:
                    for name, inside in {**summary.intervals.heads, "joint": summary.intervals.joint}.items():
                        coverage.setdefault(name, []).append(round(inside.share, 6))
            for name, by_head in found.items():
                scores.setdefault(name, []).append([round(score, 6) for score in by_head])
            _measure.note(f"seed {seed}: {found}")
    first, *others = scores
    measurements = {
        "seeds": seeds,
        "test_r2": scores,
        f"{first}_minus": {name: paired(scores[first], scores[name]) for name in others},
        "coverage": coverage,
        "mean_coverage": {name: mean_and_error(shares) for name, shares in coverage.items()},
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
