"""What the finalist is compared with, trained and measured on the same rows as it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from branchsweep.config.experiment import SKLEARN_BASELINES, Experiment
from branchsweep.config.loading import load_experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.models import baselines
from branchsweep.training.protocols import Trainer
from branchsweep.trial import Score, Status, Trial
from branchsweep.workflows.confirmation import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.progress import ProgressCallback
from branchsweep.workflows.promotion import evaluate_on_test_set, refit, temporary_model_folder
from branchsweep.workflows.sweep_result import BaselineResult


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
    def contender(self) -> ConfirmationCandidate | None:
        """The network that it is, to be confirmed beside the finalists; None for one of scikit-learn's."""
        if self.experiment is None:
            return None
        ((known, params),) = self.experiment.search.initial_trials.items()
        return ConfirmationCandidate(self.name, self.experiment, Trial(0, params, known))


def baselines_of(experiment: Experiment) -> list[Baseline]:
    """The baselines that an experiment names, checked before anything is trained."""
    return [
        Baseline(baseline)
        if baseline in SKLEARN_BASELINES
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
    ours, theirs = (f"heads {dict(one.columns)} and inputs {one.table.inputs}" for one in (experiment, other))
    if ours != theirs:
        message = f"a baseline needs the heads and inputs of the experiment it is compared with: got {theirs}, expected {ours}"
        raise ConfigError(message, where)
    return Baseline(other.name, other.model_copy(update={"validation": experiment.validation, "seed": experiment.seed}))


def evaluate_baselines(
    chosen: Sequence[Baseline],
    confirmed: Mapping[str, ReevaluatedTrial],
    rows: TrainingRows,
    dataset: Dataset,
    split: Split,
    heads: Sequence[str],
    trainer: Trainer,
    progress: ProgressCallback,
) -> list[BaselineResult]:
    """Every baseline's scores on the folds of the confirmation and on the test rows, in order.

    Args:
        chosen: The baselines.
        confirmed: By name, what the networks among them are worth.
        rows: The training rows and all folds, those of the confirmation last.
        dataset: The table.
        split: Where the test rows are.
        heads: The heads' names, in order.
        trainer: Trains the networks among them on all training rows.
        progress: Told about it.
    """
    compared = []
    for one in chosen:
        progress.on_stage(f"comparing with {one.name.replace('_', ' ')}")
        compared.append(
            _of_network(confirmed[one.name], dataset, split, trainer, progress)
            if one.experiment
            else _of_estimator(one.name, rows, dataset, split, heads)
        )
    return compared


def _of_estimator(name: str, rows: TrainingRows, dataset: Dataset, split: Split, heads: Sequence[str]) -> BaselineResult:
    lanes = [
        scores.head_scores(rows.y[rest], baselines.predict(name, rows.x[train], rows.y[train], rows.x[rest]), heads)
        for train, rest in rows.folds[-len(split.confirmation) :]
    ]
    heads_averaged, value, value_se = scores.average_scores(lanes)
    validated = Score(Status.COMPLETE, value=value, value_se=value_se, heads=heads_averaged)
    test = scores.head_scores(dataset.y[split.test], baselines.predict(name, rows.x, rows.y, dataset.x[split.test]), heads)
    return BaselineResult(
        name=name.replace("_", " "),
        r2=validated.r2,
        r2_se=validated.r2_se,
        test_r2={head: of_head.r2 for head, of_head in test.items()},
    )


def _of_network(
    one: ReevaluatedTrial, dataset: Dataset, split: Split, trainer: Trainer, progress: ProgressCallback
) -> BaselineResult:
    experiment = one.contender.experiment
    members = refit([(one, 1)], trainer, progress)[0] if one.score.is_complete else []
    test: dict[str, float] = {}
    if members:
        with temporary_model_folder() as folder:
            predictions = evaluate_on_test_set(experiment, members, dataset, split, trainer, folder)
        met = scores.head_scores(dataset.y[split.test], predictions, list(experiment.heads))
        test = {head: figures.r2 for head, figures in met.items()}
    return BaselineResult(name=one.contender.name, r2=one.score.r2, r2_se=one.score.r2_se, test_r2=test)
