"""Nearest neighbors by a learned metric against Euclidean distance: test scores on the power-plant table and others.

    python -m benchmarks.learned_metric --tables FOLDER [--names enb,jura,edm,slump] [--splits 5] [--data PATH]
                                        [--quick] [--json]

FOLDER has tables as arff files and their targets in targets.json. Each table is divided at random several times, a fifth of its
rows for the test. Compared, division by division, is R² on these rows, averaged over heads: an estimator for each head, whose
neighbors are weighted by distance.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping

from sklearn.model_selection import ShuffleSplit

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT
from branchsweep.data.dataset import Dataset
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.baselines import ALL_HEADS, fit, make_estimators
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import Params

METRICS: dict[str, Params] = {"euclidean": {}, "learned": {"metric": "learned"}}
"""The first one is what the other is compared with."""

NEIGHBORS = (5, 15)


def of_metric(params: Params, dataset: Dataset, kinds: Mapping[str, Head], splits: int) -> tuple[list[float], float]:
    """The mean R² of the heads in each division, and the median of the seconds that fitting took."""
    scores, seconds = [], []
    for train, test in ShuffleSplit(splits, test_size=0.2, random_state=1).split(dataset.x):
        estimators = make_estimators("k_nearest_neighbors", kinds, params={ALL_HEADS: params})
        fitted = fit(estimators, dataset.x[train], dataset.actual.rows(train), columns=dataset.columns)
        scores.append(mean_score(head_scores(dataset.actual.rows(test), fitted.predict(dataset.x[test]), kinds)))
        seconds.append(fitted.seconds)
    return scores, statistics.median(seconds)


def main() -> None:
    """Measures and prints."""
    options = _tables.parsed(
        _tables.parser(__doc__, f"{POWER_PLANT},enb,jura,edm,slump"), splits=_tables.Size("how many", 5, 2)
    )
    measurements: dict[str, object] = {}
    for name in options.names:
        experiment, dataset = _tables.table_of(name, options)
        kinds = kinds_by_head(experiment)
        of_table: dict[str, object] = {"rows": len(dataset.x), "inputs": dataset.x.shape[1]}
        for neighbors in NEIGHBORS:
            shared: Params = {"n_neighbors": neighbors, "weights": "distance"}
            found = {metric: of_metric({**shared, **own}, dataset, kinds, options.splits) for metric, own in METRICS.items()}
            scores = _tables.compared({metric: of_splits for metric, (of_splits, _) in found.items()}, "test_r2")
            of_table[f"{neighbors} neighbors"] = {**scores, "seconds": found["learned"][1]}
        measurements[name] = of_table
        _measure.note(f"{name}: {json.dumps(of_table)}")
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
