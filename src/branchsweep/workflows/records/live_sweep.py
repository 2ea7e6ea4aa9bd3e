"""A sweep as it is recorded at a moment, for a page that shows it while it runs: from the store alone."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from branchsweep.config.codec import from_json
from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import make_evaluator, maximized_label
from branchsweep.tracking.open import SweepReader
from branchsweep.trial import Params, Result, Status
from branchsweep.workflows.progress import ProgressStatus

LATEST = 20
"""Trials that are listed, those that ended last."""

MOST_POINTS = 2000
"""Trials of the optimization history, those that ended last."""


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """A trial that has ended.

    Args:
        trial: Its number.
        name: Of the initial trial that it is; else empty.
        status: How it ended, in small letters.
        reason: Why it was pruned or failed.
        objective: By which trials are ranked; NaN if it failed.
        scores: By head.
        params: Its hyperparameters.
        epochs: Trained, averaged over its networks.
    """

    trial: int
    name: str
    status: str
    reason: str
    objective: float
    scores: Mapping[str, float]
    params: Params
    epochs: float


@dataclass(frozen=True, slots=True)
class LiveRung:
    """A rung of the pruning schedule.

    Args:
        epoch: After which it comes.
        reached: Ended trials that came to it.
        pruned: How many of them were pruned there.
    """

    epoch: int
    reached: int
    pruned: int


@dataclass(frozen=True, slots=True)
class LiveSweep:
    """A sweep at a moment.

    Args:
        sweep: The experiment's name.
        run_id: The sweep's run.
        question: The experiment's.
        state: `running`, `finished`, `interrupted`, …
        objective: What trials are ranked by, in words.
        heads: In order.
        planned: Trials of the budget.
        counts: Ended trials by status, in small letters.
        best: The best trial so far.
        history: Number, objective (NaN for a failed trial) and status of trials, in the order in which they ended.
        latest: The trials that ended last, the last first.
        rungs: In order of their epochs; empty where nothing is pruned.
        progress: What the running process said at its last heartbeat; None where nothing is known.
        heartbeat_age: Seconds since then.
    """

    sweep: str
    run_id: str
    question: str
    state: str
    objective: str
    heads: Sequence[str]
    planned: int
    counts: Mapping[str, int]
    best: LiveTrial | None
    history: Sequence[tuple[int, float, str]]
    latest: Sequence[LiveTrial]
    rungs: Sequence[LiveRung]
    progress: ProgressStatus | None
    heartbeat_age: float | None


def live_sweep(recorded: SweepReader, experiment: Experiment) -> LiveSweep:
    """Read a sweep as it is recorded now.

    Args:
        recorded: The sweep, opened anew.
        experiment: Its recorded experiment.

    Raises:
        TrackingError: The store does not answer, or a record cannot be read.
    """
    results = recorded.results_by_end()
    evaluator = make_evaluator(experiment.objective, results)
    state = recorded.status.lower()
    age = None if recorded.heartbeat is None else max(0.0, time.time() - recorded.heartbeat)
    best = evaluator.best(results)

    def objective(result: Result) -> float:
        return evaluator.rank(result.score) if result.score.heads else math.nan

    def live(result: Result) -> LiveTrial:
        score, trial = result.score, result.trial
        return LiveTrial(
            trial=trial.number,
            name=trial.known,
            status=score.status.value.lower(),
            reason=score.reason,
            objective=objective(result),
            scores=score.by_head,
            params=trial.params,
            epochs=score.ended_at or score.epochs,
        )

    counts = Counter(result.score.status for result in results)
    return LiveSweep(
        sweep=experiment.name,
        run_id=recorded.run_id,
        question=experiment.question,
        state=state,
        objective=maximized_label(experiment.objective, experiment.score_metrics),
        heads=list(experiment.heads),
        planned=experiment.search.trials,
        counts={status.value.lower(): counts[status] for status in Status},
        best=live(best) if best else None,
        history=[
            (result.trial.number, objective(result), result.score.status.value.lower()) for result in results[-MOST_POINTS:]
        ],
        latest=[live(result) for result in results[: -LATEST - 1 : -1]],
        rungs=_rungs(experiment, results),
        progress=_progress(recorded.progress, age) if state == "running" else None,
        heartbeat_age=age if state == "running" else None,
    )


def _rungs(experiment: Experiment, results: Sequence[Result]) -> list[LiveRung]:
    last = Counter(max(result.score.rungs) for result in results if result.score.rungs and not result.score.is_complete)
    return [
        LiveRung(epoch, sum(epoch in result.score.rungs for result in results), last[epoch])
        for epoch in experiment.pruning_schedule.rungs
    ]


def _progress(text: str, age: float | None) -> ProgressStatus | None:
    """What the process said, with its times moved to the present; None where it said nothing that can be read."""
    try:
        said = from_json(ProgressStatus, text)
    except ValueError:
        return None
    passed = age or 0.0
    left = None if said.seconds_left is None else max(0.0, said.seconds_left - passed)
    return replace(said, elapsed=said.elapsed + passed, seconds_left=left)
