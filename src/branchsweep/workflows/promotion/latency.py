"""The latency of confirmed trials, where the objective or a constraint names it; see `workflows/latency.py`."""

from __future__ import annotations

from dataclasses import replace

from branchsweep.config.metric_names import LATENCY
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.latency import measure_latency
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial


def with_latency(confirmed: list[ReevaluatedTrial], sweep: SweepContext) -> list[ReevaluatedTrial]:
    """The same; where latency is asked for, those of trials of the search have it as a metric of the network, measured anew."""
    training, objective = sweep.training, sweep.experiment.objective
    if not (objective.constrains_latency or objective.optimizes_latency):
        return confirmed

    def measured(trial: ReevaluatedTrial) -> ReevaluatedTrial:
        candidate = trial.candidate
        if candidate.searched is None or not trial.score.is_complete:
            return trial
        training.progress.on_stage(f"measuring the latency of {candidate.name}")
        latency = measure_latency(candidate.recipe, candidate.experiment, training)
        return replace(trial, score=replace(trial.score, network={**trial.score.network, LATENCY: latency}))

    return [measured(trial) for trial in confirmed]
