"""Trains a recorded trial again, and compares its scores with the recorded ones.

The bits of a lane follow from the table, the split, the seeds and the recipe, not from the lanes that are trained with it. So
the trial trains alone, for the epochs that it was trained, and on one machine with one set of versions every score is equal to
the last digit. A pruned trial is trained to the rung where it was pruned: why it was pruned there depends on its round, and is
not replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from branchsweep.config.builders import source_fact
from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.metrics.names import STANDARD_ERROR, score_names
from branchsweep.runtime import environment_facts
from branchsweep.training.lanes import search_lanes
from branchsweep.training.resources import CPU, device_fact
from branchsweep.trial import Result, Score, Status
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.records.replay_result import (
    DATA_DIGEST,
    SEED,
    SPLIT_DIGEST,
    ComparedMetric,
    EnvironmentFact,
    Replay,
)
from branchsweep.workflows.records.sweep_record import RecordedSweep
from branchsweep.workflows.records.trial_details import find_trial
from branchsweep.workflows.train_lanes import train_lanes
from branchsweep.workflows.trial_runner import RunningTrial

TOLERANCE = 0.001
"""By how much a score of a replay may be off where the last digits are not the same: another processor, or another version of
a library, adds in another order, and training enlarges that. It is half of what a head may be worse by before the gate counts
it as worse (`promotion.gate.margin`): what is nearer than that is not worth a decision."""


def replay(
    sweep: RecordedSweep, number: int, dataset: Dataset, training: TrainingContext, tolerance: float = TOLERANCE
) -> Replay:
    """Trains a recorded trial again, and compares its scores with the recorded ones.

    Args:
        sweep: The sweep.
        number: The trial's.
        dataset: The recorded table.
        training: Trains lanes on the training rows of this table.
        tolerance: By how much scores may differ; 0 for none.

    Raises:
        ConfigError: The sweep has no such trial.
    """
    result, experiment = find_trial(sweep.results, number, f"sweep {sweep}"), sweep.experiment
    score = retrain(result, experiment, training).score
    record = sweep.record
    recorded = facts(
        record.table.digest,
        record.split_digest,
        record.seed,
        {**device_fact(CPU), **record.environment},  # where no device is recorded, processors trained
    )
    now = facts(
        dataset.digest,
        split_rows(experiment, dataset).digest,
        experiment.seed,
        {
            **environment_facts(),
            **source_fact(experiment.space.builder),
            **device_fact(training.trainer.resources.device),
        },
    )
    return Replay(
        sweep=record.name,
        trial=result.trial,
        recorded=result.score,
        replayed=score,
        metrics=compare_metrics(result.score, score, experiment.score_metrics),
        facts=compare_facts(recorded, now),
        tolerance=tolerance,
    )


def retrain(result: Result, experiment: Experiment, training: TrainingContext) -> Result:
    """Trains the lanes of a trial for the epochs that are recorded, and scores them at the rungs where it was scored then.

    A pruned trial is trained to the rung where it was pruned.
    """
    alone = experiment.model_copy(update={"search": experiment.search.model_copy(update={"trials": 1})})
    training.progress.on_search_begin(alone, [])
    rows = training.rows.for_heads(list(experiment.heads))
    running = RunningTrial(result.trial, search_lanes(result.trial, experiment))
    epochs = _recorded_epochs(result.score, experiment)
    for epoch in epochs:
        lanes = running.lanes_of(experiment.phase_to(epoch), pauses=epoch != epochs[-1])
        for key, outcome in train_lanes(lanes, experiment, training, f"trial {result.trial.number}, to epoch {epoch}").items():
            running.collect(key, outcome)
        running.score_at(epoch, experiment, rows)
        if running.is_over:
            break
    if result.score.status is Status.PRUNED and running.score.is_complete:
        running.prune(result.score.cause, epochs[-1], f"as recorded: {result.score.reason}")
    training.progress.on_trial_end(running.result)
    return running.result


def _recorded_epochs(recorded: Score, experiment: Experiment) -> list[int]:
    """The epochs after which a trial was scored, the last one of its training included.

    They are the recorded ones, for the default rungs may be others in another version. A trial that failed has the
    experiment's: its lanes were scored there, and the first to have failed by then is the one that its reason names.
    """
    if recorded.status is Status.PRUNED:
        return sorted(recorded.rungs)
    rungs = experiment.pruning_schedule.rungs if recorded.status is Status.FAILED else sorted(recorded.rungs)
    return [*rungs, experiment.fit.epochs]


def facts(table_digest: str, split_digest: str, seed: int | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The facts about a training by name: the table, the split and the seed, then versions, commit and device."""
    return {DATA_DIGEST: table_digest, SPLIT_DIGEST: split_digest, SEED: "" if seed is None else str(seed), **environment}


def compare_facts(recorded: Mapping[str, str], now: Mapping[str, str]) -> Sequence[EnvironmentFact]:
    """The facts of the replay beside the recorded ones, and those that are only recorded.

    Args:
        recorded: The facts of the recorded training.
        now: The facts of the replay, by the same names.
    """
    only_recorded = [name for name in recorded if name not in now]
    return [EnvironmentFact(name, recorded.get(name, ""), now.get(name, "")) for name in [*now, *only_recorded]]


def compare_metrics(recorded: Score, replayed: Score, score_metrics: Mapping[str, str]) -> Sequence[ComparedMetric]:
    """Every metric that one of the two scores has: those of the rungs first, in their order.

    Args:
        recorded: The recorded score.
        replayed: The score of the replay.
        score_metrics: The name of the metric that is the score, by head, in order.
    """
    before, after = (_by_name(score, score_metrics) for score in (recorded, replayed))
    keys = sorted(before | after, key=lambda key: math.inf if key[1] is None else key[1])  # stable: heads keep their order
    compared = (ComparedMetric(*key, _finite(before.get(key)), _finite(after.get(key))) for key in keys)
    return [metric for metric in compared if not (math.isnan(metric.recorded) and math.isnan(metric.replayed))]


def _by_name(score: Score, score_metrics: Mapping[str, str]) -> dict[tuple[str, int | None], float | None]:
    """The metrics of a score by name and rung. A failed trial has none of its end, but those of the rungs before."""
    found: dict[tuple[str, int | None], float | None] = {}
    names, errors = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR)
    for epoch, at_rung in score.rungs.items():
        found |= {(names[head], epoch): value for head, value in zip(score_metrics, at_rung, strict=True)}
    for named, by_head in ((names, score.scores), (errors, score.scores_se)):
        found |= {(name, None): by_head.get(head) for head, name in named.items()}
    return found


def _finite(value: float | None) -> float:
    """The value, or NaN where there is none or where it is infinite, which a tracker does not record."""
    return math.nan if value is None or not math.isfinite(value) else value
