"""Evaluates the baselines that the finalist is compared with, on the same rows as it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.collapse import means_with_medians
from branchsweep.models.baselines import fit, make_estimators
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.trial import HeadScore, Score, Status, Trial
from branchsweep.types import Floats
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.promotion.refit import RefitRequest, refit
from branchsweep.workflows.records.baseline_result import BaselineResult


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline: one of scikit-learn's by name, or an experiment of one known trial.

    Args:
        name: For people.
        experiment: None for one of scikit-learn's.
    """

    name: str
    experiment: Experiment | None = None

    @property
    def candidate(self) -> ConfirmationCandidate | None:
        """The network that it is, to be confirmed beside the finalists; None for one of scikit-learn's."""
        if self.experiment is None:
            return None
        ((known, params),) = self.experiment.search.initial_trials.items()
        return ConfirmationCandidate(self.name, self.experiment, Trial(0, params, known))


def baselines_of(experiment: Experiment) -> list[Baseline]:
    """The baselines that an experiment names, checked before anything is trained."""
    return [
        Baseline(baseline)
        if baseline in ESTIMATORS
        else check_baseline_experiment(load_experiment(Path(baseline)), baseline, experiment)
        for baseline in experiment.baselines
    ]


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
    sweep: SweepContext,
) -> list[BaselineResult]:
    """Every baseline's scores on the folds of the confirmation and on the test rows, in order.

    Args:
        baselines: The baselines.
        confirmed: By name, the networks among them with their confirmed scores.
        sweep: The sweep that they are compared with.
    """
    results = []
    for baseline in baselines:
        sweep.training.progress.on_stage(f"comparing with {baseline.name.replace('_', ' ')}")
        results.append(
            _network_result(confirmed[baseline.name], sweep) if baseline.experiment else _estimator_result(baseline.name, sweep)
        )
    return results


def _estimator_result(name: str, sweep: SweepContext) -> BaselineResult:
    rows, dataset, split = sweep.training.rows, sweep.dataset, sweep.split
    kinds = kinds_by_head(sweep.experiment)

    def measure(x: Floats, targets: Actual, unseen: Floats, actual: Actual) -> Mapping[str, HeadScore]:
        fitted = fit(make_estimators(name, kinds), x, targets, columns=rows.columns)
        return scores.head_scores(actual, fitted.predict(unseen), kinds)

    by_fold = [
        measure(rows.x[train], rows.actual.rows(train), rows.x[validation], rows.actual.rows(validation))
        for train, validation in rows.folds[-len(split.confirmation) :]
    ]
    by_head, value, value_se = scores.average_scores(by_fold)
    validated = Score(Status.COMPLETE, value=value, value_se=value_se, heads=by_head)
    test = measure(rows.x, rows.actual, dataset.x[split.test], dataset.actual.rows(split.test))
    return BaselineResult.of(name.replace("_", " "), validated.means, test)


def _network_result(confirmed: ReevaluatedTrial, sweep: SweepContext) -> BaselineResult:
    experiment, score = confirmed.candidate.experiment, confirmed.score
    requests = [RefitRequest.of_confirmed(confirmed)] if score.is_complete else []
    members = [member for own in refit(requests, experiment, sweep.training).members for member in own]
    test: Mapping[str, HeadScore] = {}
    if members:
        with temporary_model_folder() as folder:
            x = sweep.dataset.x[sweep.split.test]
            predictions = export_and_predict(ExportedModel.of(experiment, members), x, sweep.training.trainer, folder)
        test = scores.head_scores(sweep.dataset.actual.rows(sweep.split.test), predictions, kinds_by_head(experiment))
    return BaselineResult.of(confirmed.candidate.name, means_with_medians(score), test)
