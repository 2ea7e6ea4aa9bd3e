"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.utils.multiclass import check_classification_targets

from branchsweep.config.kinds import BINARY, MULTICLASS
from branchsweep.config.sections.heads import CLASSES, MAX_CLASSES
from branchsweep.estimators.network_estimator import NetworkEstimator
from branchsweep.types import Floats

THRESHOLD = 0.5
"""Of two classes the second one is predicted where its probability is above this."""


class BranchedClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One network for one or several targets of two or more classes: a shared trunk, and a branch for each target.

    Its losses are cross-entropies. Where hyperparameters are searched, the best are those with the highest mean D2 of the
    targets (the share of explained log loss, `sklearn.metrics.d2_log_loss_score`) on the validation rows.

    Args:
        n_trials: As of `BranchedRegressor`, like all parameters.
        params: Hyperparameters by name that are fixed.
        space: What is searched in place of the default.
        epochs: Passes over the rows.
        validation: How trials are scored; the folds of one target have its classes in equal shares.
        n_networks: Networks whose probabilities are averaged.
        n_jobs: Worker processes that train.
        random_state: Decides initial weights, the order of rows, folds and what is tried.

    Attributes:
        classes_: `(classes,)` the classes in order; of several targets a list of such arrays.
        params_: The hyperparameters of the network.
        trials_: The trials of the search, the best first: hyperparameters and `score`, the mean D2; empty without a search.
        n_features_in_: Number of input columns.
        feature_names_in_: Their names, where X was a DataFrame with names.
        n_outputs_: Number of targets.
    """

    _target_dtype = None

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row: `(rows,)` where y was, else `(rows, targets)`.

        Args:
            X: Rows with the columns of `fit`.
        """
        chosen = map(_likeliest, self._probabilities(X))
        columns = [classes[positions] for positions, classes in zip(chosen, self._classes_by_target, strict=True)]
        return columns[0] if self._is_flat else np.stack(columns, axis=1)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of the classes, in the order of `classes_`: `(rows, classes)`; of several targets a list of those.

        Args:
            X: Rows with the columns of `fit`.
        """
        probabilities = self._probabilities(X)
        return probabilities[0] if self.n_outputs_ == 1 else probabilities

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose targets are all predicted correctly.

        Args:
            X: Rows with the columns of `fit`.
            y: Their classes, as of `fit`.
            sample_weight: `(rows,)` how much each row counts; all alike if None.
        """
        predicted = self.predict(X)
        is_right = (predicted == np.asarray(y).reshape(predicted.shape)).reshape(len(predicted), -1).all(axis=1)
        return float(np.average(is_right, weights=sample_weight))

    def _probabilities(self, X: Any) -> list[Floats]:
        """By target the probabilities of its classes, `(rows, classes)`; of two the network predicts that of the second."""
        predicted = self._predicted(X)  # which says so where it is not fitted
        widths = [1 if len(classes) == CLASSES else len(classes) for classes in self._classes_by_target]
        by_target = np.split(predicted, np.cumsum(widths)[:-1], axis=1)
        return [np.hstack([1 - own, own]) if own.shape[1] == 1 else own for own in by_target]

    def _targets(self, given: Any) -> Floats:
        """The targets `(rows, targets)`: positions among the classes."""
        check_classification_targets(given)
        by_target = np.asarray(given).reshape(len(given), -1).T
        found = [np.unique(labels, return_inverse=True) for labels in by_target]
        for position, (classes, _) in enumerate(found):
            if not CLASSES <= len(classes) <= MAX_CLASSES:
                got = f"{len(classes)} class{'es' * (len(classes) > 1)}"
                raise ValueError(f"got {got} in target {position}, expected from {CLASSES} to {MAX_CLASSES:,} classes")
        self._classes_by_target = [classes for classes, _ in found]
        self.classes_: Any = self._classes_by_target[0] if len(found) == 1 else self._classes_by_target
        return np.stack([codes.astype(np.float64) for _, codes in found], axis=1)

    def _head(self, position: int) -> dict[str, Any]:
        """A head of the positions of the classes."""
        count = len(self._classes_by_target[position])
        return {"task": BINARY if count == CLASSES else MULTICLASS, "classes": list(map(str, range(count)))}

    def _splitter(self, folds: int, hold_out: float, seed: int) -> Any:
        """A splitter that keeps the shares of the classes of one target."""
        if len(self._classes_by_target) > 1:
            return super()._splitter(folds, hold_out, seed)
        if folds:
            return StratifiedKFold(folds, shuffle=True, random_state=seed)
        return StratifiedShuffleSplit(1, test_size=hold_out, random_state=seed)


def _likeliest(probabilities: Floats) -> NDArray[np.int64]:
    """`(rows,)` the position of the likeliest class of each row."""
    is_binary = probabilities.shape[1] == CLASSES
    return (probabilities[:, 1] > THRESHOLD).astype(np.int64) if is_binary else probabilities.argmax(axis=1)
