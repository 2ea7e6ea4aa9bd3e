"""Nearest neighbors by a learned metric against Euclidean distance: test scores on the power-plant table and others.

    python -m benchmarks.learned_metric --tables FOLDER [--names enb,jura,edm,slump] [--splits 5] [--data PATH]
                                        [--quick] [--json]

FOLDER has tables as arff files and their targets in targets.json. Each table is divided at random several times, a fifth of its
rows for the test. Compared, division by division, is R² on these rows, averaged over heads: an estimator for each head, whose
neighbors are weighted by distance.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from sklearn.model_selection import ShuffleSplit

from benchmarks import _measure
from benchmarks.encoders import POWER_PLANT, table_of
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.baselines import ALL_HEADS, fit, make_estimators
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params

NAME = "k_nearest_neighbors"

NEIGHBORS = (5, 15)

METRICS = ("euclidean", "learned")


def of_table(name: str, options: argparse.Namespace) -> dict[str, object]:
    """By number of neighbors, the mean R² by each metric, and what the second gains over the first; seconds of its fits."""
    experiment, dataset = table_of(name, options)
    kinds = kinds_by_head(experiment)
    found: dict[str, object] = {}
    seconds: list[float] = []
    cuts = list(ShuffleSplit(options.splits, test_size=0.2, random_state=1).split(dataset.x))
    for neighbors in NEIGHBORS:
        scores: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for metric, of_metric in scores.items():
            for train, test in cuts:
                params: Params = {"n_neighbors": neighbors, "weights": "distance", "metric": metric}
                estimators = make_estimators(NAME, kinds, params={ALL_HEADS: params})
                fitted = fit(estimators, dataset.x[train], dataset.actual.rows(train), columns=dataset.columns)
                predicted = fitted.predict(dataset.x[test])
                of_metric.append(mean_score(head_scores(dataset.actual.rows(test), predicted, kinds)))
                seconds += [fitted.seconds] if metric == METRICS[1] else []
        reference, values = scores.values()
        found[f"{neighbors} neighbors"] = {
            **{metric: statistics.fmean(of_metric) for metric, of_metric in scores.items()},
            "gained": _measure.paired_gain(values, reference),
        }
    return {**found, "seconds": statistics.median(seconds)}


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--tables", type=Path, help="a folder of arff files and targets.json; the power plant alone if absent")
    parser.add_argument("--names", help="of tables in it, and `power plant`", default=f"{POWER_PLANT},enb,jura,edm,slump")
    parser.add_argument("--splits", type=int, help="how many: 5, or 2 with --quick")
    options = parser.parse_args()
    options.splits = options.splits or (2 if options.quick else 5)
    options.epochs = 1
    names = options.names.split(",") if options.tables else [POWER_PLANT]
    measurements = {name: of_table(name, options) for name in names}
    for name, found in measurements.items():
        _measure.note(f"{name}: {json.dumps(found)}")
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
