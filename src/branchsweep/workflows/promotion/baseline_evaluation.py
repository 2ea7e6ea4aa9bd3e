"""Evaluates the baselines that the finalist is compared with, on the same rows as it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.metrics.collapse import means_with_medians
from branchsweep.models.baselines import estimator_label
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import HeadScore, Trial
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.estimator_tuning import flat_params
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.estimators import ConfirmedEstimator, fit_estimator
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.records.baseline_result import BaselineResult


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline: one of scikit-learn's estimators, or an experiment of one known trial.

    Args:
        name: Of the estimator; of an experiment its own.
        experiment: None for an estimator.
        tuned: The estimator with its hyperparameters; None for one with scikit-learn's defaults.
    """

    name: str
    experiment: Experiment | None = None
    tuned: TunedEstimator | None = None

    @property
    def candidate(self) -> ConfirmationCandidate | None:
        """The network that it is, to be confirmed beside the finalists; None for one of scikit-learn's."""
        if self.experiment is None:
            return None
        ((known, params),) = self.experiment.search.initial_trials.items()
        return ConfirmationCandidate(self.name, self.experiment, Trial(0, params, known), refits=1)

    @property
    def estimator(self) -> TunedEstimator:
        """The estimator that it is, where it is no experiment."""
        return self.tuned or TunedEstimator.model_validate({"estimator": self.name})

    def label(self, heads: Iterable[Head]) -> str:
        """What it is called in results: an estimator in words, with what is fixed, and whether it is tuned.

        Args:
            heads: The kinds of the heads that it predicts.
        """
        if self.experiment:
            return self.name
        own = [f"{name} {value}" for name, value in self.estimator.fixed.items()]
        return ", ".join([estimator_label(self.name, heads), *own, *(["tuned"] if self.estimator.space else [])])

    def labels(self, heads: Mapping[str, Head]) -> dict[str, str]:
        """By head what it is called there, as of `label`; empty for an experiment, which is one network for all."""
        return {} if self.experiment else {name: self.label([kind]) for name, kind in heads.items()}

    @property
    def deciding(self) -> Mapping[str, Any] | None:
        """All that decides its scores apart from the rows, as plain data; None for an estimator with its defaults."""
        if self.experiment:
            return sweep_key_fields(self.experiment)
        return self.tuned.model_dump() if self.tuned else None


def baselines_of(experiment: Experiment) -> list[Baseline]:
    """The baselines that an experiment names, checked before anything is trained."""
    return [_baseline(baseline, experiment) for baseline in experiment.baselines]


def estimators_of(experiment: Experiment) -> list[Baseline]:
    """The baselines that are estimators of scikit-learn."""
    return [
        _baseline(baseline, experiment)
        for baseline in experiment.baselines
        if isinstance(baseline, TunedEstimator) or baseline in ESTIMATORS
    ]


def _baseline(baseline: str | TunedEstimator, experiment: Experiment) -> Baseline:
    if isinstance(baseline, TunedEstimator):
        return Baseline(baseline.estimator, tuned=baseline)
    if baseline in ESTIMATORS:
        return Baseline(baseline)
    return check_baseline_experiment(load_experiment(Path(baseline)), baseline, experiment)


def check_baseline_experiment(other: Experiment, where: str, experiment: Experiment) -> Baseline:
    """Another experiment as a baseline of this one, to be trained on this one's folds with this one's seed.

    Args:
        other: One known trial on the same heads and inputs.
        where: Its file, for the message.
        experiment: What it is compared with.
    """
    if len(other.search.initial_trials) != 1 or other.search.trials != 1:
        message = "a baseline is an experiment of one known trial: search.trials 1 and one entry under search.initial_trials"
        raise ConfigError(message, where)
    if other.fit.steps is not None:
        message = f"got fit.steps {other.fit.steps}, expected the epochs of a baseline, which is trained on the rows of another"
        raise ConfigError(f"{message} experiment: fit.epochs", where)
    if other.table.takes_all_columns:
        other = other.model_copy(update={"table": other.table.model_copy(update={"inputs": experiment.table.inputs})})
    expected, found = (
        f"heads {dict(compared.columns)} and inputs {list(compared.table.inputs)}" for compared in (experiment, other)
    )
    if found != expected:
        message = (
            f"a baseline needs the heads and inputs of the experiment it is compared with: got {found}, expected {expected}"
        )
        raise ConfigError(message, where)
    return Baseline(other.name, other.model_copy(update={"validation": experiment.validation, "seed": experiment.seed}))


def evaluate_baselines(
    baselines: Sequence[Baseline],
    confirmed: Mapping[str, ReevaluatedTrial],
    estimators: Mapping[str, ConfirmedEstimator],
    sweep: SweepContext,
    refitted: Mapping[str, Sequence[ModelMember]],
) -> list[BaselineResult]:
    """Every baseline's scores on the folds of the confirmation and on the test rows, in order.

    Args:
        baselines: The baselines.
        confirmed: By name, the networks among them with their confirmed scores.
        estimators: By label, the others with theirs.
        sweep: The sweep that they are compared with.
        refitted: By name, the networks trained anew on all training rows; none where all diverged.
    """
    results, kinds = [], kinds_by_head(sweep.experiment)
    for baseline in baselines:
        label = baseline.label(kinds.values())
        sweep.training.progress.on_stage(f"comparing with {label}")
        result = (
            _network_result(confirmed[baseline.name], sweep, refitted.get(baseline.name, ()))
            if baseline.experiment
            else _estimator_result(estimators[label], sweep)
        )
        results.append(replace(result, estimators=baseline.labels(kinds)))
    return results


def _estimator_result(confirmed: ConfirmedEstimator, sweep: SweepContext) -> BaselineResult:
    dataset, test = sweep.dataset, sweep.split.test
    fitted = confirmed.fitted or fit_estimator(confirmed.chosen, sweep.experiment, sweep.training)
    predictions = fitted.predict(dataset.x[test])
    measured = scores.head_scores(dataset.actual.rows(test), predictions, kinds_by_head(sweep.experiment))
    result = BaselineResult.of(confirmed.chosen.label, confirmed.means, measured)
    return replace(result, params=flat_params(confirmed.chosen.params), trials=confirmed.chosen.trials)


def _network_result(confirmed: ReevaluatedTrial, sweep: SweepContext, members: Sequence[ModelMember]) -> BaselineResult:
    experiment, score = confirmed.candidate.experiment, confirmed.score
    test: Mapping[str, HeadScore] = {}
    if members:
        with temporary_model_folder() as folder:
            x = sweep.dataset.x[sweep.split.test]
            predictions = export_and_predict(ExportedModel.of(experiment, members), x, sweep.training.trainer, folder)
        test = scores.head_scores(sweep.dataset.actual.rows(sweep.split.test), predictions, kinds_by_head(experiment))
    return BaselineResult.of(confirmed.candidate.name, means_with_medians(score), test)
