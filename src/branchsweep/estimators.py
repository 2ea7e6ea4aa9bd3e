"""The estimator of scikit-learn: `BranchedRegressor`, one network for all targets, with or without a search.

    from branchsweep import BranchedRegressor

    regressor = BranchedRegressor(n_trials=16, random_state=0)
    cross_val_score(make_pipeline(SimpleImputer(), regressor), X, Y)

It trains in memory and leaves no files: `branchsweep.sweep` records and registers what it does.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.yaml.document_validation import validate_mapping
from branchsweep.data.dataset import Dataset
from branchsweep.data.frame_inputs import frame_inputs
from branchsweep.errors import UserError
from branchsweep.models.serving import Predictor
from branchsweep.runtime import silence_stderr, temporary_folder, write_files
from branchsweep.trial import ParamValue, Result
from branchsweep.types import Floats
from branchsweep.workflows.fit_network import FitRequest, fit_network
from branchsweep.workflows.new_experiment import head_names
from branchsweep.workflows.starting_point import Budget, budget_for, default_recipe, starting_dimensions, starting_values

HOLD_OUT = 0.2
"""The share of the rows that is held out, where one part of a large table is."""

_PARAMETERS = {"space.fixed": "params", "space.dimensions": "space", "fit.epochs": "epochs", "validation": "validation"}
_LEAST = {"n_trials": 0, "n_networks": 1, "n_jobs": 1}
_BLOCK = 256  # rows
_ROUND = 16  # trials that are suggested at once


class BranchedRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One network for one or several targets: a shared trunk, and a branch for each target.

    Inputs are numbers, or a DataFrame whose columns may also be texts, booleans, dates and numbers with gaps. Inputs and
    targets are scaled inside. Where hyperparameters are searched, the best are those with the highest mean R2 of the targets on
    the validation rows; the network is then trained on all rows.

    Args:
        n_trials: Trials of the search; 0 trains one recipe that suits most tables.
        params: Hyperparameters by name that are fixed, such as `{"trunk.depth": 3, "activation": "relu"}`; those of one target
            have the name of y's column before them (`PE.depth`), or `target_0`, `target_1`, … where it has none.
        space: What is searched in place of the default, by the names of hyperparameters, as in an experiment:
            `{"trunk.depth": {"type": "int", "low": 1, "high": 4}}`.
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

    def __init__(
        self,
        n_trials: int = 16,
        *,
        params: Mapping[str, ParamValue] | None = None,
        space: Mapping[str, Mapping[str, Any]] | None = None,
        epochs: int | None = None,
        validation: Any = None,
        n_networks: int = 1,
        n_jobs: int = 1,
        random_state: Any = None,
    ) -> None:
        self.n_trials = n_trials
        self.params = params
        self.space = space
        self.epochs = epochs
        self.validation = validation
        self.n_networks = n_networks
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Search hyperparameters, and train the network on all rows.

        Args:
            X: `(rows, inputs)`, an array or a DataFrame.
            y: `(rows,)` or `(rows, targets)`.

        Raises:
            ValueError: The rows or a parameter cannot be used.
        """
        try:
            columns, x, targets = self._checked(X, y)
            request = self._request(columns, x, targets, _names_of_targets(y, targets.shape[1]))
            fitted = fit_network(request)
        except UserError as error:
            raise ValueError(str(error)) from error
        self.n_outputs_ = targets.shape[1]
        self.params_, self.trials_ = dict(fitted.params), _trials(fitted.results)
        self._model = _SavedModel(fitted.files)
        return self

    def predict(self, X: Any) -> Floats:
        """The predictions: `(rows,)` where y was, else `(rows, targets)`.

        Args:
            X: Rows with the columns of `fit`.
        """
        check_is_fitted(self, "params_")
        if self._reads_frame:
            _check_feature_names(self, X, reset=False)
            _check_n_features(self, X, reset=False)
            predicted = self._model.predict_frame(X)
        else:
            predicted = self._model.predict_array(validate_data(self, X, reset=False, dtype=np.float64))
        return predicted[:, 0] if self._is_flat else predicted

    def _checked(self, X: Any, y: Any) -> tuple[dict[str, Column], Floats, Floats]:
        """The input columns, their values, and the targets `(rows, targets)`."""
        self._reads_frame = isinstance(X, pd.DataFrame) and not all(map(pd.api.types.is_numeric_dtype, X.dtypes))
        if self._reads_frame:
            _check_feature_names(self, X, reset=True)
            _check_n_features(self, X, reset=True)
            targets = check_array(y, ensure_2d=False, dtype=np.float64, ensure_min_samples=2, input_name="y")
            check_consistent_length(X, targets)
            columns, x = frame_inputs(X)
        else:
            x, targets = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
            columns = {f"x{position}": NUMERIC for position in range(x.shape[1])}
        targets = np.asarray(targets, np.float64)
        self._is_flat = targets.ndim == 1
        return columns, x, targets.reshape(len(targets), -1)

    def _request(self, columns: Mapping[str, Column], x: Floats, targets: Floats, heads: Sequence[str]) -> FitRequest:
        """What is fitted."""
        for name, least in _LEAST.items():
            if not isinstance(value := getattr(self, name), Integral) or value < least:
                raise ValueError(f"got {name}={value!r}, expected a whole number from {least} on")
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31))
        budget = budget_for(len(x), test_fraction=0.0)
        folds = self._folds(x, targets, budget, seed) if self.n_trials else ()
        method = {"method": "k_fold", "folds": len(folds)} if len(folds) > 1 else {"method": "hold_out"}
        values = {**self._experiment(columns, heads, budget, seed), "validation": method}
        experiment = validate_mapping(Experiment, values, _PARAMETERS)
        dataset = Dataset("dataframe", "X", tuple(columns), tuple(heads), x, targets, "", columns=tuple(columns.values()))
        return FitRequest(experiment, dataset, folds, self.n_networks, self.n_jobs)

    def _experiment(self, columns: Mapping[str, Column], heads: Sequence[str], budget: Budget, seed: int) -> dict[str, Any]:
        """The experiment as a mapping, without its validation."""
        given = dict(self.params or {})
        if self.n_trials:
            dimensions = starting_dimensions(heads, budget) if self.space is None else self.space
            fixed = {**starting_values(heads, budget), **given}
        else:
            dimensions, fixed = {}, {**default_recipe(heads, budget), **given}
        own = {f"{head}.{HYPERPARAMETERS[name].per_head}" for name in given if name in HYPERPARAMETERS for head in heads}
        fixed_names = own | given.keys()  # `branch.depth` fixes the depth of every head
        dimensions = {name: dimension for name, dimension in dimensions.items() if name not in fixed_names}
        fixed = {name: value for name, value in fixed.items() if name not in dimensions}
        return {
            "name": "fit",
            "seed": seed,
            "table": {"source": "dataframe", "inputs": dict(columns)},
            "heads": {head: {"column": f"y[{position}]"} for position, head in enumerate(heads)},
            "space": {"dimensions": dimensions, "fixed": fixed},
            "search": {"trials": max(self.n_trials, 1), "batch": min(max(self.n_trials, 1), _ROUND)},
            "fit": {"epochs": budget.epochs if self.epochs is None else self.epochs, "keep": "last"},
        }

    def _folds(self, x: Floats, targets: Floats, budget: Budget, seed: int) -> tuple[tuple[Any, Any], ...]:
        """For each fold the positions of the rows to train on and of those to validate on."""
        validation = self.validation
        if validation is None:
            validation = budget.folds if budget.folds > 1 else HOLD_OUT
        if isinstance(validation, int):
            validation = KFold(validation, shuffle=True, random_state=seed)
        elif isinstance(validation, float):
            validation = ShuffleSplit(1, test_size=validation, random_state=seed)
        elif isinstance(validation, str) or not hasattr(validation, "split"):
            raise ValueError(
                f"got validation={validation!r}, expected a number of folds, a share of the rows, or a splitter of scikit-learn"
            )
        return tuple(validation.split(x, targets))


def _names_of_targets(y: Any, number: int) -> list[str]:
    """The names of the targets in hyperparameters such as `PE.depth`: those of a DataFrame's columns, else `target_0`, …"""
    columns = list(map(str, getattr(y, "columns", ())))
    named = list(head_names(columns).values())
    return named if len(named) == number else [f"target_{position}" for position in range(number)]


def _trials(results: Sequence[Result]) -> pd.DataFrame:
    """Trials as a DataFrame, the best first; those that were stopped early or failed last."""
    rows = [{"score": result.score.value if result.score.is_complete else np.nan, **result.trial.params} for result in results]
    frame = pd.DataFrame(rows, index=pd.Index([result.trial.number for result in results], name="trial"))
    return frame.sort_values("score", ascending=False) if len(frame) else frame


class _SavedModel:
    """The files of a model, which are read when it predicts first; a copy or a pickle has the files alone.

    Args:
        files: The contents by name.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    def __getstate__(self) -> dict[str, Any]:
        return {"_files": self._files}

    def predict_array(self, x: Floats) -> Floats:
        """Predictions `(rows, targets)` for numbers `(rows, inputs)`.

        Rows are filled up to whole blocks: the last digits of a matrix product depend on its number of rows, and a prediction
        is not to depend on the rows beside it.
        """
        missing = -len(x) % _BLOCK
        with silence_stderr():
            return self._predictor.predict_array(np.concatenate([x, np.repeat(x[:1], missing, axis=0)]))[: len(x)]

    def predict_frame(self, frame: pd.DataFrame) -> Floats:
        """Predictions `(rows, targets)` for the columns of a DataFrame."""
        with silence_stderr():
            return self._predictor.predict(frame).to_numpy(np.float64)

    @cached_property
    def _predictor(self) -> Predictor:
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder())
            write_files(folder, self._files)
            predictor = Predictor(folder)
            weakref.finalize(self, stack.pop_all().close)
        return predictor
