"""Hyperparameters of scikit-learn's estimators: searched on the folds that networks are searched on, with as many trials.

The first trial has scikit-learn's defaults and what is fixed, so on its folds a search is never worse than these. Where each
head has an estimator of its own, each takes the values of the trial that is the best for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from branchsweep.config.estimator_names import is_joint
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.models.baselines import ALL_HEADS, FittedBaseline, estimator_label, fit, make_estimators
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.search.sequential import SequentialSearch
from branchsweep.trial import HeadScore, Params, Score, Status
from branchsweep.types import Floats, Positions

SECONDS_BETWEEN_MESSAGES = 10.0
"""Seconds after which a search that goes on says how far it is."""

ParamsByHead = Mapping[str, Params]
"""Hyperparameters by head, or under `ALL_HEADS` those that the estimators of all heads have in common."""


@dataclass(frozen=True, slots=True)
class EstimatorToFit:
    """How an estimator is fitted, in every trial of its search and afterwards.

    Args:
        tuned: The estimator.
        experiment: Its heads, its objective, and the driver of its networks.
        rows: The rows that it may learn from, with the folds.
        seed: Of an estimator that is random.
        chain: The heads in the order of a chain; None for each head by itself.
        where: The key that names it in the file, for messages.
    """

    tuned: TunedEstimator
    experiment: Experiment
    rows: TrainingRows
    seed: int = 0
    chain: Sequence[str] | None = None
    where: str = "baselines"

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return estimator_label(self.tuned.estimator, kinds_by_head(self.experiment).values())

    @property
    def fixed(self) -> ParamsByHead:
        """Its hyperparameters before a search; empty where all have scikit-learn's defaults."""
        return {ALL_HEADS: self.tuned.fixed} if self.tuned.fixed else {}

    @property
    def chooses_by_head(self) -> bool:
        """Whether the estimator of each head may have hyperparameters of its own."""
        return self.chain is None and not is_joint(self.tuned.estimator)

    def on_fold(self, fold: int, params: ParamsByHead) -> tuple[FittedBaseline, Mapping[str, HeadScore]]:
        """The estimator after it has learnt the training rows of a fold, with its scores on the validation rows."""
        train, validation = self.rows.fold_rows(fold)
        return self.on_rows(train, (self.rows.x[validation], self.rows.actual.rows(validation)), params)

    def on_rows(
        self, train: Positions, unseen: tuple[Floats, Actual], params: ParamsByHead
    ) -> tuple[FittedBaseline, Mapping[str, HeadScore]]:
        """The estimator after it has learnt some rows, with its scores on others.

        Args:
            train: The positions of the rows to learn.
            unseen: Inputs and targets of the others.
            params: Its hyperparameters.

        Raises:
            ConfigError: scikit-learn refuses these hyperparameters together, or such few rows.
        """
        x, actual = unseen
        with self._naming(params):
            fitted = self.fitted_to(train, params)
            return fitted, scores.head_scores(actual, fitted.predict(x), kinds_by_head(self.experiment))

    def fitted_to(self, train: Positions, params: ParamsByHead) -> FittedBaseline:
        """The estimator after it has learnt some rows; arguments and errors as of `on_rows`."""
        estimators = make_estimators(self.tuned.estimator, kinds_by_head(self.experiment), self.seed, params)
        with self._naming(params):
            return fit(estimators, self.rows.x[train], self.rows.weighted_by_class(train), self.chain, self.rows.columns)

    @contextmanager
    def _naming(self, params: ParamsByHead) -> Iterator[None]:
        """A context in which hyperparameters that scikit-learn refuses are named."""
        try:
            yield
        except ValueError as error:
            given = ", ".join(f"{name} {value}" for name, value in flat_params(params).items())
            message = f"{self.label}{' with ' * bool(given)}{given} cannot be fitted: {error}"
            raise ConfigError(message, self.where) from error


@dataclass(frozen=True, slots=True)
class EstimatorSearch:
    """The search of an estimator's hyperparameters.

    Args:
        folds: On which every trial is fitted and scored.
        trials: How many, the first with scikit-learn's defaults.
        seed: All that is random in the choice of trials derives from it.
        seconds: Wall time after which no further trial begins; None without a limit.
    """

    folds: Sequence[int]
    trials: int
    seed: int
    seconds: float | None = None


def flat_params(params: ParamsByHead) -> Params:
    """Hyperparameters by one name each: that of the estimator of a single head is called `PE/max_features`."""
    return {f"{head}/{name}" if head else name: value for head, own in params.items() for name, value in own.items()}


def searched_params(estimator: EstimatorToFit, search: EstimatorSearch, on_message: Callable[[str], None]) -> ParamsByHead:
    """The best hyperparameters of an estimator on some folds.

    Args:
        estimator: The estimator with its space.
        search: How it is searched.
        on_message: Is called with the progress, in sentences.

    Returns:
        What is fixed included; by head, where each has an estimator of its own.

    Raises:
        ConfigError: No trial can be fitted; the message is that of the first one.
    """
    tuned, began = estimator.tuned, time.perf_counter()
    driver = SequentialSearch(estimator.experiment, tuned.search_space, search.seed)
    results: list[_ScoredParams] = []
    refused: ConfigError | None = None
    said = began
    for number in range(search.trials):
        if number and search.seconds and time.perf_counter() - began > search.seconds:
            break
        point = driver.ask(number) if number else {}
        if point is None:  # the space has no further point
            break
        params = {**tuned.fixed, **point}
        try:
            result = _scored(estimator, search.folds, params)
        except ConfigError as error:
            refused, value = refused or error, math.nan
        else:
            results.append(result)
            value = result.value
        if number:
            driver.tell(value)
        if time.perf_counter() - said > SECONDS_BETWEEN_MESSAGES:
            on_message(f"{estimator.label}: {number + 1} of {search.trials} trials of its hyperparameters")
            said = time.perf_counter()
    if not results:
        assert refused is not None, "there is a first trial"
        raise refused
    if estimator.chooses_by_head:
        return {head: _best(results, [result.by_head[head] for result in results]) for head in estimator.experiment.heads}
    return {ALL_HEADS: _best(results, [result.value for result in results])}


def _best(results: Sequence[_ScoredParams], scores: Sequence[float]) -> Params:
    """The params of the highest score; of equal ones, the first."""
    return results[int(np.argmax(np.nan_to_num(scores, nan=-math.inf)))].params


@dataclass(frozen=True, slots=True)
class _ScoredParams:
    """Hyperparameters with what they score: by head, and by the objective."""

    params: Params
    by_head: Mapping[str, float]
    value: float


def _scored(estimator: EstimatorToFit, folds: Sequence[int], params: Params) -> _ScoredParams:
    by_fold = [estimator.on_fold(fold, {ALL_HEADS: params} if params else {})[1] for fold in folds]
    by_head, mean, error = scores.average_scores(by_fold)
    score = Score(Status.COMPLETE, value=mean, value_se=error, heads=by_head)
    return _ScoredParams(params, score.by_head, ObjectiveEvaluator.unbound(estimator.experiment.objective).rank(score))
