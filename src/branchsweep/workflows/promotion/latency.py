"""The latency of confirmed trials, where a constraint bounds it.

It is measured, not predicted: it depends on the machine, and on the calls from layer to layer that the number of
multiplications does not count. A measurement is noisy and belongs to this machine, so it is taken of the few trials that are
confirmed, while nothing trains, and no suggestion of the search depends on it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from branchsweep.config.metric_names import LATENCY
from branchsweep.metrics.comparison_result import LATENCY_ROWS
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.initial_weights import initial_weights
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.evaluation import temporary_model_folder


def with_latency(confirmed: list[ReevaluatedTrial], sweep: SweepContext) -> list[ReevaluatedTrial]:
    """The same; where a constraint asks for it, those of trials of the search have their latency as a metric of the network."""
    training = sweep.training
    if not sweep.experiment.objective.constrains_latency:
        return confirmed

    def measured(trial: ReevaluatedTrial) -> ReevaluatedTrial:
        if trial.candidate.searched is None or not trial.score.is_complete:
            return trial
        training.progress.on_stage(f"measuring the latency of {trial.candidate.name}")
        network = {**trial.score.network, LATENCY: _latency(trial.candidate, training)}
        return replace(trial, score=replace(trial.score, network=network))

    return [measured(trial) for trial in confirmed]


def _latency(candidate: ConfirmationCandidate, training: TrainingContext) -> float:
    """Seconds to predict a thousand rows, by a network of this shape as an exported model. Its weights make no difference."""
    recipe, experiment, x = candidate.recipe, candidate.experiment, training.rows.x
    weights = initial_weights(recipe.architecture, recipe.encoded_width(experiment.table.inputs.values()), (0,))
    model = ExportedModel.of(experiment, [ModelMember(recipe, weights)])
    with temporary_model_folder() as folder:
        training.trainer.export(folder, model)
        return training.trainer.measure_latency(folder, np.resize(x, (LATENCY_ROWS, x.shape[1])))
