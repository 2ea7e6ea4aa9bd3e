"""What the estimators have in common: rows and parameters checked, a search and a network fitted, predictions of its files."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.yaml.document_validation import validate_mapping
from branchsweep.config.yaml.python_values import plain_value
from branchsweep.data.dataset import Dataset
from branchsweep.data.frame_inputs import frame_inputs
from branchsweep.errors import UserError
from branchsweep.models.serving import Predictor
from branchsweep.runtime import silence_stderr, temporary_folder, write_files
from branchsweep.trial import ParamValue, Result
from branchsweep.types import Floats
from branchsweep.workflows.fit_network import FitRequest, fit_network
from branchsweep.workflows.new_experiment import head_names
from branchsweep.workflows.resolved_experiment import with_default_trial
from branchsweep.workflows.starting_point import Budget, budget_for, default_recipe, starting_dimensions, starting_values

HOLD_OUT = 0.2
"""The share of the rows that is held out, where one part of a large table is."""

_PARAMETERS = {"space.fixed": "params", "space.dimensions": "space", "fit.epochs": "epochs", "validation": "validation"}
_LEAST = {"n_trials": 0, "n_networks": 1, "n_jobs": 1}
_BLOCK = 256  # rows
_ROUND = 16  # trials that are suggested at once


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is fitted.

    Args:
        columns: The inputs.
        x: `(rows, inputs)` their values.
        targets: `(rows, targets)`.
        heads: The names of the targets.
        weights: `(rows,)` how much each row counts; None where all count alike.
    """

    columns: Mapping[str, Column]
    x: Floats
    targets: Floats
    heads: Sequence[str]
    weights: Floats | None = None

    def dataset(self, classes: Mapping[str, tuple[str, ...]]) -> Dataset:
        """The same as a dataset.

        Args:
            classes: By head that has some.
        """
        weights = None if self.weights is None else np.repeat(self.weights[:, None], self.targets.shape[1], axis=1)
        of_rows = tuple(self.columns), tuple(self.heads), self.x, self.targets
        columns = tuple(self.columns.values())
        return Dataset("dataframe", "X", *of_rows, digest="", weights=weights, columns=columns, classes=classes)


class NetworkEstimator(MultiOutputMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator that is a network; the parameters are those of `BranchedRegressor`."""

    _target_dtype: type[np.float64] | None = np.float64  # None for targets that need not be numbers

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search hyperparameters, and train the network on all rows.

        Args:
            X: `(rows, inputs)`, an array or a DataFrame.
            y: `(rows,)` or `(rows, targets)`.
            sample_weight: `(rows,)` how much each row counts in the loss and in the scores of trials, from 0; a row of weight 0
                is left out. All rows count alike if None.

        Raises:
            ValueError: The rows or a parameter cannot be used.
        """
        try:
            columns, x, given = self._checked(X, y)
            weights = None if sample_weight is None else _checked_weights(sample_weight, x)
            if weights is not None:
                x, given, weights = x[weights > 0], given[weights > 0], weights[weights > 0]
            targets = self._targets(given)
            rows = Rows(columns, x, targets, _names_of_targets(y, targets.shape[1]), weights)
            fitted = fit_network(self._request(rows))
        except UserError as error:
            raise ValueError(str(error)) from error
        self.n_outputs_ = targets.shape[1]
        self.params_, self.trials_ = dict(fitted.params), _trials(fitted.results)
        self._model = _SavedModel(fitted.files)
        return self

    def _targets(self, given: Any) -> Floats:
        """The targets `(rows, targets)` as numbers.

        Args:
            given: `(rows,)` or `(rows, targets)`, checked.

        Raises:
            ValueError: They cannot be predicted.
        """
        raise NotImplementedError

    def _head(self, position: int) -> dict[str, Any]:  # noqa: ARG002  # those of regression are alike
        """What an experiment says of the head of a target, beside its column."""
        return {}

    def _splitter(self, folds: int, hold_out: float, seed: int) -> Any:
        """A splitter of scikit-learn.

        Args:
            folds: Their number; 0 for one part that is held out.
            hold_out: Its share of the rows.
            seed: Decides which rows.
        """
        if folds:
            return KFold(folds, shuffle=True, random_state=seed)
        return ShuffleSplit(1, test_size=hold_out, random_state=seed)

    def _predicted(self, X: Any) -> Floats:
        """What the heads predict, `(rows, outputs)`: a number for each target, or the probabilities of its classes.

        Args:
            X: Rows with the columns of `fit`.
        """
        check_is_fitted(self, "params_")
        if self._reads_frame:
            _check_feature_names(self, X, reset=False)
            _check_n_features(self, X, reset=False)
            return self._model.predict_frame(X)
        return self._model.predict_array(validate_data(self, X, reset=False, dtype=np.float64))

    def _checked(self, X: Any, y: Any) -> tuple[dict[str, Column], Floats, Any]:
        """The input columns, their values, and the targets as they are given."""
        self._reads_frame = isinstance(X, pd.DataFrame) and not all(map(pd.api.types.is_numeric_dtype, X.dtypes))
        if self._reads_frame:
            _check_feature_names(self, X, reset=True)
            _check_n_features(self, X, reset=True)
            targets = check_array(y, ensure_2d=False, dtype=self._target_dtype, ensure_min_samples=2, input_name="y")
            check_consistent_length(X, targets)
            columns, x = frame_inputs(X)
        else:
            is_numeric = self._target_dtype is not None
            x, targets = validate_data(
                self, X, y, dtype=np.float64, multi_output=True, y_numeric=is_numeric, ensure_min_samples=2
            )
            columns = {f"x{position}": NUMERIC for position in range(x.shape[1])}
        self._is_flat = targets.ndim == 1
        return columns, x, targets

    def _request(self, rows: Rows) -> FitRequest:
        """What is fitted."""
        for name, least in _LEAST.items():
            if not isinstance(value := getattr(self, name), Integral) or value < least:
                raise ValueError(f"got {name}={value!r}, expected a whole number from {least} on")
        if "builder" in {**(self.space or {}), **(self.params or {})}:
            raise ValueError(
                "space: got builder, a key of experiments: estimators train built-in networks. Use branchsweep.Experiment and "
                "branchsweep.sweep for networks of your own"
            )
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31))
        budget = budget_for(len(rows.x), test_fraction=0.0)
        folds = self._folds(rows, budget, seed) if self.n_trials else ()
        method = {"method": "k_fold", "folds": len(folds)} if len(folds) > 1 else {"method": "hold_out"}
        values = plain_value({**self._experiment(rows, budget, seed), "validation": method})
        experiment = with_default_trial(validate_mapping(Experiment, values, _PARAMETERS), len(rows.x))
        dataset = rows.dataset({name: tuple(head.classes) for name, head in experiment.heads.items() if head.classes})
        return FitRequest(experiment, dataset, folds, self.n_networks, self.n_jobs)

    def _experiment(self, rows: Rows, budget: Budget, seed: int) -> dict[str, Any]:
        """The experiment as a mapping, without its validation."""
        given, heads = dict(self.params or {}), rows.heads
        if self.n_trials:
            dimensions = starting_dimensions(heads, budget) if self.space is None else dict(self.space)
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
            "table": {"source": "dataframe", "inputs": dict(rows.columns)},
            "heads": {head: {"column": f"y[{position}]", **self._head(position)} for position, head in enumerate(heads)},
            "space": {"dimensions": dimensions, "fixed": fixed},
            "search": {
                "trials": max(self.n_trials, 1),
                "batch": min(max(self.n_trials, 1), _ROUND),
                "default_trial": self.n_trials > 0,
            },
            "fit": {"epochs": budget.epochs if self.epochs is None else self.epochs, "keep": "last"},
        }

    def _folds(self, rows: Rows, budget: Budget, seed: int) -> tuple[tuple[Any, Any], ...]:
        """For each fold the positions of the rows to train on and of those to validate on."""
        validation = self.validation
        if validation is None:
            validation = budget.folds if budget.folds > 1 else HOLD_OUT
        if isinstance(validation, int):
            validation = self._splitter(validation, 0.0, seed)
        elif isinstance(validation, float):
            validation = self._splitter(0, validation, seed)
        elif isinstance(validation, str) or not hasattr(validation, "split"):
            raise ValueError(
                f"got validation={validation!r}, expected a number of folds, a share of the rows, or a splitter of scikit-learn"
            )
        targets = rows.targets[:, 0] if rows.targets.shape[1] == 1 else rows.targets
        return tuple(validation.split(rows.x, targets))


def _checked_weights(sample_weight: Any, x: Floats) -> Floats:
    """The weights of the rows, `(rows,)`.

    Raises:
        ValueError: One is negative or no number, there are more or fewer than rows, or all are 0.
    """
    weights: Floats = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    return weights


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
        """Predictions `(rows, outputs)` for numbers `(rows, inputs)`.

        Rows are filled up to whole blocks: the last digits of a matrix product depend on its number of rows, and a prediction
        is not to depend on the rows beside it.
        """
        missing = -len(x) % _BLOCK
        with silence_stderr():
            return self._predictor.predict_array(np.concatenate([x, np.repeat(x[:1], missing, axis=0)]))[: len(x)]

    def predict_frame(self, frame: pd.DataFrame) -> Floats:
        """Predictions `(rows, outputs)` for the columns of a DataFrame; of classes their probabilities."""
        with silence_stderr():
            predicted = self._predictor.predict(frame)
        return predicted[list(chain.from_iterable(self._predictor.output_columns.values()))].to_numpy(np.float64)

    @cached_property
    def _predictor(self) -> Predictor:
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder())
            write_files(folder, self._files)
            predictor = Predictor(folder)
            weakref.finalize(self, stack.pop_all().close)
        return predictor
