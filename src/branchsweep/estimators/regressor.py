"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from branchsweep.estimators.network_estimator import NetworkEstimator
from branchsweep.types import Floats


class BranchedRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One network for one or several targets: a shared trunk, and a branch for each target.

    Inputs are numbers, or a DataFrame whose columns may also be texts, booleans, dates and numbers with gaps. Inputs and
    targets are scaled inside. Where hyperparameters are searched, the best are those with the highest mean R2 of the targets on
    the validation rows; the network is then trained on all rows.

    Args:
        n_trials: Trials of the search, the first of which is a recipe that suits most tables; 0 trains that recipe alone.
        params: Hyperparameters by name that are fixed, such as `{"trunk.depth": 3, "activation": "relu"}`; those of one target
            have the name of y's column before them (`PE.depth`), or `target_0`, `target_1`, … where it has none.
        space: What is searched in place of the default, by the names of hyperparameters: `{"trunk.depth": Int(1, 4)}`, or as in
            an experiment, `{"trunk.depth": {"type": "int", "low": 1, "high": 4}}`.
        epochs: Passes over the rows; by their number if None.
        validation: How trials are scored: a number of folds, a share of the rows to hold out, or a splitter of scikit-learn; by
            the number of rows if None.
        n_networks: Networks from as many seeds whose predictions are averaged.
        n_jobs: Worker processes that train; 1 trains in this process.
        random_state: Decides initial weights, the order of rows, folds and what is tried.

    Attributes:
        params_: The hyperparameters of the network.
        trials_: The trials of the search, the best first: hyperparameters and `score`, the mean R2; empty without a search.
        n_features_in_: Number of input columns.
        feature_names_in_: Their names, where X was a DataFrame with names.
        n_outputs_: Number of targets.
    """

    def predict(self, X: Any) -> Floats:
        """The predictions: `(rows,)` where y was, else `(rows, targets)`.

        Args:
            X: Rows with the columns of `fit`.
        """
        predicted = self._predicted(X)
        return predicted[:, 0] if self._is_flat else predicted

    def _targets(self, given: Any) -> Floats:
        """The targets `(rows, targets)`."""
        targets = np.asarray(given, np.float64)
        return targets.reshape(len(targets), -1)
