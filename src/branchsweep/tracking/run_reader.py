"""A recorded sweep to look at, from whatever store, as quickly as that store allows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from branchsweep.errors import TrackingError
from branchsweep.tracking import sqlite_reader
from branchsweep.tracking.mlflow import serialization
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.tracking.run_records import (
    ComparisonSummary,
    Points,
    RunRecord,
    RunStore,
    SweepSummary,
    comparison_summary,
    read_sweep_record,
    select_run,
    sweep_summary,
)
from branchsweep.tracking.tracking_uri import database_file, nothing_at, resolve_tracking_uri
from branchsweep.trial import Result


class RecordedSweep:
    """A sweep as it stands in a store; what is not asked for is not read.

    Args:
        shelf: The store.
        entry: The sweep's run.
    """

    def __init__(self, shelf: RunStore, entry: RunRecord) -> None:
        self._shelf, self._entry = shelf, entry

    @property
    def run_id(self) -> str:
        """The parent run."""
        return self._entry.run_id

    @property
    def where(self) -> str:
        """The sweep in words, for messages."""
        return f"sweep {self._entry.name} ({self.run_id[:8]})"

    @cached_property
    def record(self) -> SweepRecord:
        """What was written down when the sweep began, but for its YAML, which is a file of its own."""
        return read_sweep_record(self._entry, yaml="")

    @cached_property
    def yaml(self) -> str:
        """The experiment as it was run.

        Raises:
            TrackingError: The file is not there.
        """
        return self._shelf.experiment(self._entry)

    @cached_property
    def results(self) -> Sequence[Result]:
        """Every recorded result, in order of the trials' numbers, without the curves.

        Raises:
            TrackingError: The store holds something unexpected.
        """
        return [result for result, _ in self._trials]

    @property
    def run_ids(self) -> Mapping[int, str]:
        """By the number of a trial, its run."""
        return {result.trial.number: entry.run_id for result, entry in self._trials}

    def curves(self, number: int) -> Mapping[str, Points]:
        """The learning curves of a recorded trial by head, as far as they were written down."""
        entry = next(entry for result, entry in self._trials if result.trial.number == number)
        return self._shelf.curves(entry, self.record.score_metrics)

    @cached_property
    def _trials(self) -> list[tuple[Result, RunRecord]]:
        found: dict[int, tuple[Result, RunRecord]] = {}
        for entry in self._shelf.trials(self._entry):
            result = serialization.result_from_run(entry.tags, entry.metrics, self.record.score_metrics)
            found.setdefault(result.trial.number, (result, entry))
        return [found[number] for number in sorted(found)]


def open_run_store(tracking_uri: str | None) -> RunStore:
    """The store: read lightly where that can be done, else by MLflow's client.

    Args:
        tracking_uri: See `address.resolve`.

    Raises:
        TrackingError: There is no store at the address.
    """
    uri = resolve_tracking_uri(tracking_uri)
    file = database_file(uri)
    if file is not None and not file.exists():
        raise TrackingError(nothing_at(file))
    light = sqlite_reader.open_sqlite_run_store(uri)
    if light is not None:
        return light
    from branchsweep.tracking.mlflow.run_store import MlflowRunStore  # noqa: PLC0415  # its import takes seconds

    return MlflowRunStore.open(uri)


def list_sweeps(tracking_uri: str | None = None) -> list[SweepSummary]:
    """All sweeps of a store, the newest first.

    Raises:
        TrackingError: There is no store at the address.
    """
    return [sweep_summary(sweep) for sweep in open_run_store(tracking_uri).roots("sweep")]


def list_comparisons(tracking_uri: str | None = None) -> list[ComparisonSummary]:
    """All comparisons of a store, the newest first.

    Raises:
        TrackingError: There is no store at the address.
    """
    return [comparison_summary(one) for one in open_run_store(tracking_uri).roots("comparison")]


def open_sweep(tracking_uri: str | None, sweep: str = "") -> RecordedSweep:
    """A sweep that stands in a store.

    Args:
        tracking_uri: The store; see `address.resolve`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such sweep, or more than one.
    """
    shelf = open_run_store(tracking_uri)
    return RecordedSweep(shelf, select_run(shelf.roots("sweep"), sweep, resolve_tracking_uri(tracking_uri)))


def runs_to_json(sweeps: Sequence[SweepSummary], comparisons: Sequence[ComparisonSummary]) -> str:
    """The sweeps and comparisons of a store as one JSON object, with times as ISO 8601 has them."""

    def plain(listed: Sequence[SweepSummary] | Sequence[ComparisonSummary]) -> list[dict[str, Any]]:
        return [{**asdict(one), "started": one.started.isoformat()} for one in listed]

    return json.dumps({"sweeps": plain(sweeps), "comparisons": plain(comparisons)})
