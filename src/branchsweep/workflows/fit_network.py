"""Fits one model to rows in memory: searches hyperparameters if asked, and trains the best recipe on all rows.

Nothing is recorded and no row is set aside as a test row: whoever calls has test rows of their own, as scikit-learn's
`cross_val_score` has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import BackendError
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.recipe import epochs_of, recipe_for
from branchsweep.runtime import read_files, silence_stderr
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.training.lanes import refit_lanes
from branchsweep.trial import Params, Result
from branchsweep.types import Fold
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.evaluation import temporary_model_folder
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search
from branchsweep.workflows.session import Session, open_training
from branchsweep.workflows.train_lanes import train_lanes


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What is fitted.

    Args:
        experiment: Space, search and training; the recipe is in `space.fixed` where nothing is searched.
        dataset: All rows.
        folds: By which trials are scored; none where nothing is searched.
        networks: Networks whose mean the model is.
        workers: Processes that train; 1 for this process.
    """

    experiment: Experiment
    dataset: Dataset
    folds: tuple[Fold, ...] = ()
    networks: int = 1
    workers: int = 1


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model that was fitted.

    Args:
        files: The files of the exported model, by name.
        params: The hyperparameters of its networks.
        results: The trials of the search, in order of their numbers; none where nothing was searched.
        best: The best of them; None where nothing was searched.
    """

    files: Mapping[str, bytes]
    params: Params
    results: tuple[Result, ...] = ()
    best: Result | None = None


def fit_network(request: FitRequest) -> FittedModel:
    """Search, and train the best recipe on all rows.

    Raises:
        BackendError: No trial, or none of the networks, could be trained to its end.
    """
    experiment, dataset = request.experiment, request.dataset
    everything, nothing = np.arange(dataset.rows), np.arange(0)
    split = Split(everything, nothing, request.folds, digest="")
    with _training(request, split) as training:
        results: tuple[Result, ...] = ()
        best = None
        if request.folds:
            tracker = MemoryTracker.open(new_sweep_record(experiment, dataset, split))
            results = tuple(run_search(experiment, open_driver(experiment), training, tracker).results)
            best = next(iter(make_evaluator(experiment.objective, results).ranking(results)), None)
            if best is None:
                raise BackendError("no trial could be trained to its end: choose smaller learning rates, or other inputs")
        params = best.trial.params if best else {}
        files = _export(request, params, training, _epochs(experiment, params, best))
    return FittedModel(files, {**experiment.space.fixed, **params}, results, best)


@contextmanager
def _training(request: FitRequest, split: Split) -> Iterator[TrainingContext]:
    """What trains: this process, or worker processes."""
    rows = training_rows(request.dataset, split)
    if request.workers > 1:
        session = Session(workers=LocalWorkersConfig(kind="local", count=request.workers))
        with open_training(rows, session, request.experiment) as training:
            yield training
        return
    with silence_stderr():
        from branchsweep.training.trainer import PopulationTrainer  # noqa: PLC0415  # imports TensorFlow
    yield TrainingContext(PopulationTrainer(rows), rows, NoProgress())


def _epochs(experiment: Experiment, params: Params, best: Result | None) -> int:
    """Epochs on all rows: as many as the best trial's kept weights had, since nothing is left to stop by."""
    laid_out = epochs_of(recipe_for(experiment, params), experiment)
    return max(1, round(best.score.epochs)) if best else laid_out


def _export(request: FitRequest, params: Params, training: TrainingContext, epochs: int) -> dict[str, bytes]:
    """The files of the model of networks that are trained on all rows."""
    experiment = request.experiment
    lanes = refit_lanes(recipe_for(experiment, params), experiment, range(request.networks), epochs)
    outcomes = train_lanes(lanes, experiment, training, keep_weights=True)
    trained = [(lane, outcomes[lane.key]) for lane in lanes]
    kept = [(lane, end) for lane, end in trained if end.weights is not None and not end.failed_at]
    members = [
        ModelMember(lane.recipe, end.weights, share=1 / len(kept), epochs=end.epochs) for lane, end in kept if end.weights
    ]
    if not members:
        raise BackendError("the network diverged: choose a smaller learning_rate")
    model = ExportedModel.of(experiment, members, partial_targets=request.dataset.partial_targets)
    with temporary_model_folder() as folder, silence_stderr():
        training.trainer.export(folder, model)
        return read_files(folder)
