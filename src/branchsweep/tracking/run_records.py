"""What a store holds of sweeps, trials and comparisons, as plain values, and the protocol of what reads them.

MLflow's client (`mlflow.run_store`) and the reader of its SQLite database (`sqlite_reader`) both give `RunRecord`s, and
nothing else distinguishes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypedDict

from branchsweep.config.addresses import Address
from branchsweep.config.codec import Time
from branchsweep.config.metric_names import MEAN
from branchsweep.config.sections.objective import Objective
from branchsweep.errors import TrackingError, UnreadableRecordError, did_you_mean
from branchsweep.metrics.names import BEST, score_names
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.serialization.records import SUMMARY_TAG, record_from_tags
from branchsweep.tracking.mlflow.serialization.tags import from_tags, naming_record, parse_tag, tag_name
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord
from branchsweep.trial import Status

SWEEP_REMEDY = "Restore it in MLflow, or delete the run there."
"""What helps where the tags of a sweep or a comparison were changed."""

TRIAL_REMEDY = "Restore it in MLflow, or delete the run there: then the trial is trained again when the sweep is resumed."
"""What helps where the record of a trial was changed."""

EXPERIMENT = "experiment.yaml"
"""The artifact of a sweep's run that holds the experiment as it was run."""

CROSS_VALIDATION = "cross_validation"
"""The role of the run of an outer cross-validation."""

ANSWER = "answer"
"""The tag with the result of a finished outer cross-validation in a line, or the conclusions of a comparison."""

PARTS = "parts"
"""The folder among a run's artifacts with its finished parts, for what is recorded part by part."""

END_MARK = "\n"
"""The end of a part's file, and nowhere else in it: a file without it was not written completely."""

Points = Sequence[tuple[int, float]]
"""Epochs (from 1) and values, in order."""


INTERRUPTED = "INTERRUPTED"
"""The status of a sweep or comparison whose process ended before it: the same command resumes it."""

UNFINISHED = frozenset({"RUNNING", "KILLED"})
"""MLflow's statuses of a sweep or comparison that has not finished."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of MLflow: a sweep, a trial, or a comparison.

    Args:
        run_id: Its id.
        experiment_id: Of the experiment in MLflow.
        name: Its name.
        status: `RUNNING` (also if its process was killed), `FINISHED`, `FAILED`, ….
        started: Start, in milliseconds since 1970.
        artifacts: URI of its files.
        tags: All tags.
        metrics: The last value of each metric.
    """

    run_id: str
    experiment_id: str
    name: str
    status: str
    started: int
    artifacts: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class RunStore(Protocol):
    """A store to read sweeps and comparisons from."""

    def roots(self, role: str) -> list[RunRecord]:
        """All runs of a role, `sweep`, `comparison` or `cross_validation`, the newest first."""
        ...

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that are recorded completely, in order of their start."""
        ...

    def find_trials(self, beginning: str) -> list[RunRecord]:
        """The trials of all sweeps that are recorded completely and whose run ids begin with this text."""
        ...

    def artifact(self, run: RunRecord, name: str) -> bytes | None:
        """A file of a run; None where there is none of this name."""
        ...

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they are recorded.

        Args:
            trial: The trial.
            score_metrics: The name of the metric that is the score, by head.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedSweep:
    """One sweep in a list of sweeps.

    Args:
        run_id: The sweep's run.
        experiment_id: The experiment in MLflow.
        name: The experiment's name.
        started: When it was started.
        status: `RUNNING`, `INTERRUPTED`, `FINISHED`, ….
        trials: Numbers of `complete`, `pruned` and `failed` trials.
        best: The best score so far, by head, and `mean`.
        data: Where its table came from.
        view: The key of the view in which MLflow's pages show its trials; empty where there is none.
        problem: What of its record cannot be read, as a sentence; empty for a sound one.
    """

    run_id: str
    experiment_id: str
    name: str
    started: Time
    status: str
    trials: Mapping[str, int]
    best: Mapping[str, float]
    data: str
    view: str = ""
    problem: str = ""


class _RunFacts(TypedDict):
    """What every list shows of a run."""

    run_id: str
    experiment_id: str
    name: str
    started: datetime
    status: str
    data: str


def _facts(run: RunRecord, status: str) -> _RunFacts:
    return _RunFacts(
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        name=run.name,
        started=start_time(run),
        status=status,
        data=run.tags.get(tag_name("data_source"), ""),
    )


def listed_sweep(sweep: RunRecord) -> ListedSweep:
    """Summarise the run of a sweep."""
    names: Mapping[str, str] = {}
    problem = ""
    try:
        names = score_names(read_sweep_record(sweep, yaml="").score_metrics, BEST)
    except UnreadableRecordError as error:
        problem = str(error)
    counts = {status.lower(): sweep.metrics.get(f"trials/{status.lower()}", 0.0) for status in Status}
    return ListedSweep(
        **_facts(sweep, sweep_status(sweep)),
        trials={status: int(count) if math.isfinite(count) else 0 for status, count in counts.items()},
        best={head: sweep.metrics[name] for head, name in names.items() if name in sweep.metrics},
        view=sweep.tags.get(tag_name("view"), ""),
        problem=problem,
    )


def sweep_status(sweep: RunRecord) -> str:
    """The status of a sweep's run: `INTERRUPTED` where it has not finished, and the process that ran it has ended.

    A process that is killed leaves the run as `RUNNING`; one that is interrupted marks it as `KILLED` (`run_lock`).
    """
    if sweep.status not in UNFINISHED:
        return sweep.status
    owner = LockOwner.from_tags(sweep.tags)
    return "RUNNING" if owner is not None and owner.is_alive else INTERRUPTED


def comparison_status(comparison: RunRecord) -> str:
    """The status of a comparison or an outer cross-validation; `INTERRUPTED` where its process is known to have ended."""
    if comparison.status not in UNFINISHED:
        return comparison.status
    owner = LockOwner.from_tags(comparison.tags)
    return INTERRUPTED if owner is not None and owner.has_ended else "RUNNING"


STATUS_BY_ROLE = {"sweep": sweep_status, "comparison": comparison_status, CROSS_VALIDATION: comparison_status}
"""What is found again by its key, and may have been interrupted; by the tag `role` of its run."""


def was_killed(run: RunRecord, role: str) -> bool:
    """Whether MLflow shows a run of this role as running though the process that its lock names has certainly ended.

    Where no process is named, none is known to have ended.
    """
    is_named = LockOwner.from_tags(run.tags) is not None
    return run.status == "RUNNING" and is_named and STATUS_BY_ROLE[role](run) == INTERRUPTED


@dataclass(frozen=True, slots=True)
class ListedComparison:
    """One comparison in a list of comparisons.

    Args:
        run_id: Its run.
        experiment_id: The experiment in MLflow.
        name: Its name.
        started: When it was started.
        status: `RUNNING`, `INTERRUPTED`, `FINISHED`, …; `RUNNING` too if it was killed on another machine.
        answer: Its conclusions as sentences, the most important first; empty before its end.
        data: Where its table came from.
        view: The key of the view in which MLflow's pages show its contestants; empty where there is none.
    """

    run_id: str
    experiment_id: str
    name: str
    started: Time
    status: str
    answer: tuple[str, ...]
    data: str
    view: str = ""


@dataclass(frozen=True, slots=True)
class ListedCrossValidation:
    """One outer cross-validation in a list.

    Args:
        run_id: Its run.
        experiment_id: The experiment in MLflow.
        name: The experiment's name.
        started: When it was started.
        status: `RUNNING`, `INTERRUPTED`, `FINISHED`, …; `RUNNING` too if it was killed on another machine.
        answer: Its result in a line; empty before its end.
        data: Where its table came from.
    """

    run_id: str
    experiment_id: str
    name: str
    started: Time
    status: str
    answer: str
    data: str


@dataclass(frozen=True, slots=True)
class ListedRuns:
    """What a store holds, the newest first, as `branchsweep show --json` prints it."""

    sweeps: Sequence[ListedSweep]
    comparisons: Sequence[ListedComparison]
    cross_validations: Sequence[ListedCrossValidation] = ()


def listed_cross_validation(run: RunRecord) -> ListedCrossValidation:
    """Summarise the run of an outer cross-validation."""
    return ListedCrossValidation(
        **_facts(run, comparison_status(run)),
        answer=from_tags(run.tags).get(ANSWER, "") if run.status == "FINISHED" else "",
    )


def listed_comparison(comparison: RunRecord) -> ListedComparison:
    """Summarise the run of a comparison."""
    answer = from_tags(comparison.tags).get(ANSWER, "") if comparison.status == "FINISHED" else ""
    return ListedComparison(
        **_facts(comparison, comparison_status(comparison)),
        answer=tuple(answer.splitlines()),
        view=comparison.tags.get(tag_name("view"), ""),
    )


def start_time(run: RunRecord) -> datetime:
    """When a run was started; 1970 where that is not recorded."""
    try:
        return datetime.fromtimestamp((run.started or 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def select_run(runs: Sequence[RunRecord], named: str, uri: Address, what: str = "sweep") -> RunRecord:
    """The run that a user names.

    Args:
        runs: All sweeps (or all comparisons), the newest first.
        named: A run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.
        uri: The store, for messages.
        what: What the runs are, for messages: `sweep` or `comparison`.

    Raises:
        TrackingError: There is no such run, or more than one.
    """
    if not runs:
        raise TrackingError(f"there is no {what} in {uri}: run one first, or name another store (--tracking-uri)")
    by_name = [run for run in runs if named in ("", run.name)]
    if by_name:
        return by_name[0]
    by_id = [run for run in runs if run.run_id.startswith(named)]
    if len(by_id) == 1:
        return by_id[0]
    known = ", ".join(f"{run.name} ({run.run_id[:8]})" for run in (by_id or runs)[:10])
    if by_id:
        raise TrackingError(f"got {what} '{named}', which begins the ids of several: {known}; write one more letter")
    hint = did_you_mean(named, [run.name for run in runs])
    raise TrackingError(f"got {what} '{named}', expected a name or a run id; there are {known}{hint}")


def read_sweep_record(sweep: RunRecord, yaml: str) -> SweepRecord:
    """What was written down when a sweep started, from the tags of its run and the artifact with its experiment.

    Raises:
        UnreadableRecordError: Its tags were changed.
    """
    tags = from_tags(sweep.tags)
    with naming_record(f"sweep {sweep.name} (run {sweep.run_id[:8]})", SWEEP_REMEDY):
        fields = record_from_tags(tags)

        def read_objective(text: str) -> Objective:
            objective = Objective.model_validate_json(text)
            constrained = [constraint.metric for constraint in objective.parsed_constraints]
            for metric in [*objective.maximize, *objective.weights, objective.ranking_metric, *constrained]:
                head = metric.partition("/")[2] if metric not in objective.weights else metric
                if head not in {"", MEAN} and head not in fields["heads"]:
                    raise ValueError(f"{head} is no head")
            return objective

        objective = parse_tag(tags, "objective", read_objective, "{}")
    return SweepRecord(
        name=sweep.name,
        yaml=yaml,
        objective=objective,
        split_digest=tags.get("split_digest", ""),
        test_digest=tags.get("test_digest", ""),
        driver=tags.get("driver", ""),
        algorithm=tags.get("algorithm", ""),
        **fields,
    )


def read_conclusion(sweep: RunRecord) -> SweepConclusion | None:
    """What a sweep finished with, from its run; None for a sweep that has not finished."""
    if sweep.status != "FINISHED":
        return None
    summary = from_tags(sweep.tags).get(SUMMARY_TAG, "")
    return SweepConclusion(dict(sweep.metrics), summary)
