"""What a store tells of sweeps, whoever reads it: runs as plain values, and what they mean.

MLflow's client and the light reader (`peek`) both make `Entry`s, and from there on nothing tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from branchsweep.config.objective import Objective
from branchsweep.errors import TrackingError, did_you_mean
from branchsweep.metrics.names import BEST, score_names
from branchsweep.tracking.mlflow import serialization
from branchsweep.tracking.mlflow.serialization import tag_name
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.tracking.tracking_uri import without_password
from branchsweep.trial import Status

EXPERIMENT = "experiment.yaml"
"""The artifact of a sweep's run that holds the experiment as it was run."""

Points = Sequence[tuple[int, float]]
"""Epochs (from 1) and values, in order."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: a sweep's, or a trial's.

    Args:
        run_id: Its id.
        experiment_id: Of the experiment in MLflow.
        name: What it is called.
        status: `RUNNING` (also if it was killed), `FINISHED`, `FAILED`, ….
        started: When, in milliseconds since 1970.
        artifacts: Where its files lie, as MLflow has it.
        tags: All of them.
        metrics: The last value of each.
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
    """A store to read sweeps and comparisons from. Four verbs."""

    def roots(self, role: str) -> list[RunRecord]:
        """All runs that are a `sweep`, or a `comparison`, the newest first."""
        ...

    def trials(self, sweep: RunRecord) -> list[RunRecord]:
        """The trials of a sweep that were written to their end, in order of their beginning."""
        ...

    def experiment(self, sweep: RunRecord) -> str:
        """The YAML of a sweep as it was run.

        Raises:
            TrackingError: It is not there.
        """
        ...

    def curves(self, trial: RunRecord, score_metrics: Mapping[str, str]) -> Mapping[str, Points]:
        """The learning curves of a trial by head, as far as they were written down."""
        ...


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """One sweep in a list of sweeps.

    Args:
        run_id: The parent run.
        experiment_id: The experiment in MLflow.
        name: The experiment's name.
        started: When it was first begun.
        status: `RUNNING` (also if it was killed), `FINISHED`, ….
        trials: How many trials are `complete`, `pruned` and `failed`.
        best: The best score so far, by head, and `mean`.
        data: Where its table came from.
        view: The key of the view in which MLflow's pages show its trials; empty where there is none.
    """

    run_id: str
    experiment_id: str
    name: str
    started: datetime
    status: str
    trials: Mapping[str, int]
    best: Mapping[str, float]
    data: str
    view: str = ""


def sweep_summary(sweep: RunRecord) -> SweepSummary:
    """What the run of a sweep says of it."""
    names = score_names(serialization.score_metrics_from_tags(serialization.from_tags(sweep.tags)), BEST)
    return SweepSummary(
        run_id=sweep.run_id,
        experiment_id=sweep.experiment_id,
        name=sweep.name,
        started=datetime.fromtimestamp(sweep.started / 1000, UTC),
        status=sweep.status,
        trials={status.lower(): int(sweep.metrics.get(f"trials/{status.lower()}", 0)) for status in Status},
        best={head: sweep.metrics[name] for head, name in names.items() if name in sweep.metrics},
        data=sweep.tags.get(tag_name("data_source"), ""),
        view=sweep.tags.get(tag_name("view"), ""),
    )


@dataclass(frozen=True, slots=True)
class ComparisonSummary:
    """One comparison in a list of comparisons.

    Args:
        run_id: Its run.
        experiment_id: The experiment in MLflow.
        name: Its name.
        started: When it was first begun.
        status: `RUNNING` (also if it was killed), `FINISHED`, ….
        answer: What it comes to, as sentences, the most important first; empty before its end.
        data: Where its table came from.
    """

    run_id: str
    experiment_id: str
    name: str
    started: datetime
    status: str
    answer: tuple[str, ...]
    data: str


def comparison_summary(comparison: RunRecord) -> ComparisonSummary:
    """What a list says of a comparison."""
    answer = serialization.from_tags(comparison.tags).get("answer", "") if comparison.status == "FINISHED" else ""
    return ComparisonSummary(
        run_id=comparison.run_id,
        experiment_id=comparison.experiment_id,
        name=comparison.name,
        started=datetime.fromtimestamp(comparison.started / 1000, UTC),
        status=comparison.status,
        answer=tuple(answer.splitlines()),
        data=comparison.tags.get(tag_name("data_source"), ""),
    )


def select_run(sweeps: Sequence[RunRecord], named: str, uri: str, what: str = "sweep") -> RunRecord:
    """The run that somebody names.

    Args:
        sweeps: All there are (or all comparisons), the newest first.
        named: A run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.
        uri: The store, for messages.
        what: What they are, for messages: `sweep` or `comparison`.

    Raises:
        TrackingError: There is no such run, or more than one.
    """
    if not sweeps:
        raise TrackingError(
            f"there is no {what} in {without_password(uri)}: run one first, or name another store (--tracking-uri)"
        )
    by_name = [sweep for sweep in sweeps if named in ("", sweep.name)]
    if by_name:
        return by_name[0]
    by_id = [sweep for sweep in sweeps if sweep.run_id.startswith(named)]
    if len(by_id) == 1:
        return by_id[0]
    known = ", ".join(f"{sweep.name} ({sweep.run_id[:8]})" for sweep in (by_id or sweeps)[:10])
    if by_id:
        raise TrackingError(f"got {what} '{named}', which begins the ids of several: {known}; write one more letter")
    hint = did_you_mean(named, [sweep.name for sweep in sweeps])
    raise TrackingError(f"got {what} '{named}', expected a name or a run id; there are {known}{hint}")


def read_sweep_record(sweep: RunRecord, yaml: str) -> SweepRecord:
    """What was written down when the sweep began, read back."""
    tags = serialization.from_tags(sweep.tags)
    return SweepRecord(
        name=sweep.name,
        yaml=yaml,
        objective=Objective.model_validate_json(tags.get("objective", "{}")),
        **serialization.record_from_tags(tags, "objective", "view", "holder", "alive"),
    )
