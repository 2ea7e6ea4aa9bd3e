"""Reads recorded sweeps, trials and lists of both, from any store and as fast as that store allows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from branchsweep.config.addresses import Address
from branchsweep.config.codec import to_public_json
from branchsweep.errors import TrackingError, did_you_mean, reading_record
from branchsweep.tracking import sqlite_reader
from branchsweep.tracking.mlflow.lock_owner import PROGRESS, LockOwner
from branchsweep.tracking.mlflow.serialization.tags import from_tags, naming_record, parse_tag, tag_name
from branchsweep.tracking.mlflow.serialization.trials import result_from_run
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, TrackingLinks, sweep_label
from branchsweep.tracking.run_records import (
    CROSS_VALIDATION,
    END_MARK,
    EXPERIMENT,
    PARTS,
    TRIAL_REMEDY,
    ListedComparison,
    ListedCrossValidation,
    ListedRuns,
    ListedSweep,
    Points,
    RunRecord,
    RunStore,
    listed_comparison,
    listed_cross_validation,
    listed_sweep,
    read_conclusion,
    read_sweep_record,
    select_run,
    sweep_status,
)
from branchsweep.tracking.tracking_uri import check_is_mlflow, database_file, nothing_at, resolve_tracking_uri
from branchsweep.tracking.ui_pages import tracking_links
from branchsweep.trial import Result


class SweepReader:
    """A `SweepArchive` over any store. Each part is read when it is first asked for.

    Args:
        store: The store.
        run: The sweep's run.
        tracking_uri: The store's URI in full.
    """

    def __init__(self, store: RunStore, run: RunRecord, tracking_uri: Address) -> None:
        self._store, self._run, self._tracking_uri = store, run, tracking_uri

    @property
    def run_id(self) -> str:
        """The sweep's run."""
        return self._run.run_id

    @property
    def label(self) -> str:
        """Name and run id, for messages."""
        return sweep_label(self._run.name, self.run_id)

    @cached_property
    def record(self) -> SweepRecord:
        """What was written down when the sweep started, without its YAML, which is a file of its own."""
        return read_sweep_record(self._run, yaml="")

    @cached_property
    def yaml(self) -> str:
        """The experiment as it was run.

        Raises:
            TrackingError: The file is missing.
        """
        text = self.artifact(EXPERIMENT)
        if text is None:
            raise TrackingError(f"{EXPERIMENT} of {self.label} is missing in {self._run.artifacts}: was it moved?")
        with reading_record(f"{EXPERIMENT} of {self.label}"):
            return text.decode()

    @cached_property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep started.

        Raises:
            TrackingError: The file with its experiment is missing.
        """
        return read_sweep_record(self._run, self.yaml)

    @property
    def conclusion(self) -> SweepConclusion | None:
        """What the sweep finished with; None for a sweep that has not finished."""
        return read_conclusion(self._run)

    def recorded_results(self) -> list[Result]:
        """All recorded results, in order of the trials' numbers, without learning curves.

        Raises:
            TrackingError: A trial cannot be read.
        """
        return [result for result, _ in self._trials]

    def results_by_end(self) -> list[Result]:
        """The same results in the order in which the trials ended."""
        return [result for result, _ in sorted(self._trials, key=lambda trial: trial[1].started)]

    @property
    def status(self) -> str:
        """The status of its run; `INTERRUPTED` instead of `RUNNING` where the process that ran it has ended."""
        return sweep_status(self._run)

    @property
    def heartbeat(self) -> float | None:
        """When the process that runs it was last alive, in seconds since 1970; None where no process runs it."""
        owner = LockOwner.from_tags(self._run.tags)
        return owner.seen if owner else None

    @property
    def progress(self) -> str:
        """What that process recorded at its last heartbeat about its progress, as JSON; empty if nothing."""
        return self._run.tags.get(tag_name(PROGRESS), "")

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run of each trial, by number."""
        return {result.trial.number: run.run_id for result, run in self._trials}

    def curves(self, number: int) -> Mapping[str, Points]:
        """The learning curves of a recorded trial by head, as far as they are recorded."""
        run = next(run for result, run in self._trials if result.trial.number == number)
        return self._store.curves(run, self.record.score_metrics)

    def artifact(self, name: str) -> bytes | None:
        """The file of this name that is kept with the sweep; None where there is none."""
        return self._store.artifact(self._run, name)

    def part(self, name: str) -> Any:
        """A finished part of what is recorded part by part, as JSON data; None where there is none of this name.

        Raises:
            UnreadableRecordError: It was changed.
        """
        with reading_record(f"part {name} of {self._run.name} ({self.run_id[:8]})"):
            text = (self.artifact(f"{PARTS}/{name}.json") or b"").decode()
            return json.loads(text) if text.endswith(END_MARK) else None

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Links to this sweep, and to these of its trials, in MLflow's pages."""
        runs = {number: run for number, run in self.run_ids.items() if number in set(trials)}
        return tracking_links(self._run, runs, self._store.roots("comparison"), self._tracking_uri)

    @cached_property
    def _trials(self) -> list[tuple[Result, RunRecord]]:
        trials: dict[int, tuple[Result, RunRecord]] = {}
        for run in self._store.trials(self._run):
            with naming_record(f"a trial of {self.label} (run {run.run_id[:8]})", TRIAL_REMEDY):
                result = result_from_run(run.tags, run.metrics, self.record.score_metrics)
            trials.setdefault(result.trial.number, (result, run))
        return [trials[number] for number in sorted(trials)]


def open_run_store(tracking_uri: Address | None) -> RunStore:
    """The reader of a store: of its SQLite database where that is possible, else MLflow's client.

    Args:
        tracking_uri: See `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no store at this URI.
    """
    uri = resolve_tracking_uri(tracking_uri)
    check_is_mlflow(uri)
    file = database_file(uri)
    if file is not None and not file.exists():
        raise TrackingError(nothing_at(file))
    store = sqlite_reader.open_sqlite_run_store(uri)
    if store is not None:
        return store
    from branchsweep.tracking.mlflow.run_store import MlflowRunStore  # noqa: PLC0415  # its import takes seconds

    return MlflowRunStore.open(uri)


def list_sweeps(tracking_uri: Address | None = None) -> list[ListedSweep]:
    """All sweeps of a store, the newest first.

    Raises:
        TrackingError: There is no store at this URI.
    """
    return [listed_sweep(sweep) for sweep in open_run_store(tracking_uri).roots("sweep")]


def list_comparisons(tracking_uri: Address | None = None) -> list[ListedComparison]:
    """All comparisons of a store, the newest first.

    Raises:
        TrackingError: There is no store at this URI.
    """
    return [listed_comparison(comparison) for comparison in open_run_store(tracking_uri).roots("comparison")]


def list_cross_validations(tracking_uri: Address | None = None) -> list[ListedCrossValidation]:
    """All outer cross-validations of a store, the newest first.

    Raises:
        TrackingError: There is no store at this URI.
    """
    return [listed_cross_validation(run) for run in open_run_store(tracking_uri).roots(CROSS_VALIDATION)]


def recorded_cross_validation(tracking_uri: Address | None, named: str) -> SweepReader:
    """A recorded outer cross-validation, to read from: of its experiment, its conclusion and its parts.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        named: As the sweep of `open_recorded_sweep`.

    Raises:
        TrackingError: There is no such one, or more than one.
    """
    store, uri = open_run_store(tracking_uri), resolve_tracking_uri(tracking_uri)
    return SweepReader(store, select_run(store.roots(CROSS_VALIDATION), named, uri, "outer cross-validation"), uri)


def open_recorded_sweep(tracking_uri: Address | None, sweep: str = "") -> SweepReader:
    """A recorded sweep, to read from.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such sweep, or more than one.
    """
    store = open_run_store(tracking_uri)
    uri = resolve_tracking_uri(tracking_uri)
    sweeps = store.roots("sweep")
    if sweep and not _is_among(sweep, sweeps) and _is_among(sweep, store.roots("comparison")):
        message = f"got '{sweep}', which is a comparison; expected a sweep. branchsweep show {sweep} prints a comparison"
        raise TrackingError(f"{message}, and branchsweep report {sweep} writes its page")
    if sweep and not _is_among(sweep, sweeps) and _is_among(sweep, outer := store.roots(CROSS_VALIDATION)):
        name = select_run(outer, sweep, uri).name
        message = f"got '{sweep}', which is an outer cross-validation; expected a sweep, such as that of its first fold"
        raise TrackingError(f"{message} ({name}-fold-1). branchsweep show {sweep} prints the nested score")
    return SweepReader(store, select_run(sweeps, sweep, uri), uri)


def open_recorded_trial(
    tracking_uri: Address | None, run: str, otherwise: str = "a sweep and --trial NUMBER"
) -> tuple[SweepReader, int]:
    """The sweep of a trial, to read from, and the trial's number.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        run: The trial's run id, or the beginning of that.
        otherwise: What else the user may give, for messages.

    Raises:
        TrackingError: There is no such trial, or more than one.
    """
    store = open_run_store(tracking_uri)
    sweeps = store.roots("sweep")
    # anything else than hexadecimal digits might have a meaning in a query
    trials = store.find_trials(run) if re.fullmatch("[0-9a-f]+", run) else []
    if len(trials) != 1:
        raise TrackingError(_no_such_trial(run, trials, sweeps, otherwise))
    with naming_record(f"trial (run {trials[0].run_id[:8]})", TRIAL_REMEDY):
        tags = from_tags(trials[0].tags)
        sweep, number = parse_tag(tags, "sweep", str), parse_tag(tags, "trial", int)
    uri = resolve_tracking_uri(tracking_uri)
    return SweepReader(store, select_run(sweeps, sweep, uri), uri), number


def _is_among(named: str, runs: Sequence[RunRecord]) -> bool:
    """Whether a name, or the beginning of a run id, is that of one of these runs."""
    return any(named == run.name or run.run_id.startswith(named) for run in runs)


def _no_such_trial(run: str, trials: Sequence[RunRecord], sweeps: Sequence[RunRecord], otherwise: str) -> str:
    """The message where a run id does not name exactly one trial."""
    if trials:
        known = ", ".join(f"{trial.run_id[:12]} (trial {trial.tags.get(tag_name('trial'), '?')})" for trial in trials[:10])
        return f"got run '{run}', which begins the ids of several trials: {known}; write more letters"
    if run and _is_among(run, sweeps):
        return f"got run '{run}', which is a sweep; expected the run id of one of its trials, or {otherwise}"
    hint = did_you_mean(run, [sweep.name for sweep in sweeps])
    return f"got run '{run}', expected the run id of a trial, or {otherwise}{hint}"


def runs_to_json(
    sweeps: Sequence[ListedSweep],
    comparisons: Sequence[ListedComparison],
    cross_validations: Sequence[ListedCrossValidation] = (),
) -> str:
    """The sweeps, comparisons and outer cross-validations of a store as one JSON object, with times in ISO 8601."""
    return to_public_json(ListedRuns(sweeps, comparisons, cross_validations))
