"""Hyperparameters of scikit-learn's estimators on the power-plant table: R² by head in a cross-validation of the training rows.

    python -m benchmarks.estimators [--folds 5] [--data PATH] [--quick] [--json]

The values of the estimators in `experiments/branched.yaml` come from here. The test rows of that experiment are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import _measure
from branchsweep.models.metric_learning import LearnedMetric


def candidates(quick: bool) -> Iterator[tuple[str, BaseEstimator]]:
    """What is compared, each with its label; forests have scikit-learn's 100 trees."""
    for neighbors in (5, 20) if quick else (5, 8, 12, 20, 30):
        for weights in ("uniform", "distance"):
            nearest = KNeighborsRegressor(neighbors, weights=weights)
            yield f"k nearest neighbors, {neighbors}, {weights}", make_pipeline(StandardScaler(), nearest)
    for neighbors in (15,) if quick else (5, 8, 12, 15, 20, 30):
        nearest = KNeighborsRegressor(neighbors, weights="distance")
        label = f"k nearest neighbors, {neighbors}, distance, learned metric"
        yield label, make_pipeline(StandardScaler(), LearnedMetric(), nearest)
    kinds = (
        {"extra trees": ExtraTreesRegressor}
        if quick
        else {"extra trees": ExtraTreesRegressor, "random forest": RandomForestRegressor}
    )
    for name, kind in kinds.items():
        for leaf in (1, 2) if quick else (1, 2, 3):
            for features in (1.0, 0.67, 0.34):
                forest = kind(min_samples_leaf=leaf, max_features=features, n_jobs=-1, random_state=0)
                yield f"{name}, min_samples_leaf {leaf}, max_features {features:g}", forest


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    setting = _measure.setting("branched", options.data)
    rows, heads = setting.rows, list(setting.experiment.heads)
    folds = KFold(2 if options.quick else options.folds, shuffle=True, random_state=0)
    found: dict[str, Any] = {}
    for label, estimator in candidates(options.quick):
        predicted = [cross_val_predict(estimator, rows.x, actual, cv=folds) for actual in rows.y.T]
        found[label] = {head: float(r2_score(rows.y[:, i], predicted[i])) for i, head in enumerate(heads)}
    _measure.conclude({"rows": len(rows.x), "r2": found}, options.json)


if __name__ == "__main__":
    main()
