"""Estimators of scikit-learn on the rows of a sweep: fitted to the folds of the confirmation, and to all training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.data.training_rows import ALL_ROWS
from branchsweep.metrics import scores
from branchsweep.metrics.output_columns import output_count
from branchsweep.models.baselines import FittedBaseline
from branchsweep.models.exported_model import EstimatorMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import HeadScore, MeanScores, Score, Status
from branchsweep.types import Floats
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.estimator_tuning import EstimatorSearch, EstimatorToFit, ParamsByHead, searched_params


@dataclass(frozen=True, slots=True)
class ChosenEstimator:
    """An estimator with its hyperparameters.

    Args:
        label: For people (`random forest, n_estimators 300`).
        name: Of `config/estimator_names.py`.
        params: Its hyperparameters.
        trials: How many trials chose them; 0 where none did.
    """

    label: str
    name: str
    params: ParamsByHead = field(default_factory=dict)
    trials: int = 0

    def on(self, experiment: Experiment, training: TrainingContext) -> EstimatorToFit:
        """How it is fitted on the rows of a sweep."""
        return EstimatorToFit(TunedEstimator.model_validate({"estimator": self.name}), experiment, training.rows)


@dataclass(frozen=True, slots=True, eq=False)
class ConfirmedEstimator:
    """An estimator with its scores on the folds of the confirmation.

    Args:
        chosen: The estimator.
        by_fold: Its scores on the validation rows of each fold, by head.
        predictions: `(training rows, heads)` what it predicts for the rows that it was not fitted to, in natural units; NaN in
            rows that are validation rows of no fold.
        fitted: The estimator after it has learnt all training rows; None where that is still to be done.
    """

    chosen: ChosenEstimator
    by_fold: Sequence[Mapping[str, HeadScore]]
    predictions: Floats = field(repr=False)
    fitted: FittedBaseline | None = field(default=None, repr=False)

    def fitted_among(self, members: Sequence[EstimatorMember]) -> ConfirmedEstimator:
        """The same, fitted to all training rows if a member of the model is this estimator: it was fitted for it."""
        own = (self.chosen.name, self.chosen.params)
        return replace(self, fitted=next((member.fitted for member in members if (member.name, member.params) == own), None))

    @property
    def means(self) -> MeanScores:
        """Its scores over the folds."""
        by_head, value, value_se = scores.average_scores(self.by_fold)
        return Score(Status.COMPLETE, value=value, value_se=value_se, heads=by_head).means


def choose_estimator(label: str, tuned: TunedEstimator, experiment: Experiment, training: TrainingContext) -> ChosenEstimator:
    """An estimator with the best hyperparameters of its space, on the folds of the search.

    Args:
        label: What it is called.
        tuned: The estimator with what is fixed and what is searched.
        experiment: Of the sweep.
        training: With the rows.
    """
    estimator = EstimatorToFit(tuned, experiment, training.rows)
    if not tuned.space:
        return ChosenEstimator(label, tuned.estimator, estimator.fixed)
    trials = tuned.trials or experiment.search.trials
    search = EstimatorSearch(range(experiment.folds), trials, experiment.seed)
    params = searched_params(estimator, search, training.progress.on_message)
    return ChosenEstimator(label, tuned.estimator, params, trials)


def confirm_estimator(chosen: ChosenEstimator, experiment: Experiment, training: TrainingContext) -> ConfirmedEstimator:
    """An estimator, fitted to each fold of the confirmation.

    Args:
        chosen: The estimator.
        experiment: Of the sweep: gives the heads, and how many folds of the training rows are the search's.
        training: With the rows.
    """
    rows, estimator = training.rows, chosen.on(experiment, training)
    by_fold, predictions = [], np.full((len(rows.y), output_count(kinds_by_head(experiment).values())), np.nan)
    for fold in range(experiment.folds, len(rows.folds)):
        fitted, measured = estimator.on_fold(fold, chosen.params)
        validation = rows.fold_rows(fold)[1]
        predictions[validation] = fitted.predict(rows.x[validation])
        by_fold.append(measured)
    return ConfirmedEstimator(chosen, by_fold, predictions)


def confirm_estimators(
    tuned: Mapping[str, TunedEstimator], chosen: Sequence[ChosenEstimator], experiment: Experiment, training: TrainingContext
) -> dict[str, ConfirmedEstimator]:
    """Estimators by their labels, fitted to each fold of the confirmation.

    Args:
        tuned: By label, those whose hyperparameters are to be chosen.
        chosen: Those that have them.
        experiment: Of the sweep.
        training: With the rows.
    """
    found: dict[str, ConfirmedEstimator] = {}
    for label, estimator in tuned.items():
        training.progress.on_message(f"fitting {label} to the folds of the confirmation")
        found[label] = confirm_estimator(choose_estimator(label, estimator, experiment, training), experiment, training)
    return {**found, **{own.label: confirm_estimator(own, experiment, training) for own in chosen}}


def fit_estimator(chosen: ChosenEstimator, experiment: Experiment, training: TrainingContext) -> FittedBaseline:
    """An estimator, fitted to all training rows; arguments as of `confirm_estimator`."""
    return chosen.on(experiment, training).fitted_to(training.rows.fold_rows(ALL_ROWS)[0], chosen.params)
