"""The ledger that people look at: sweeps and trials as runs in MLflow, champions in its registry.

An experiment in MLflow has the name of ours. In it stands one **parent run** per sweep (what was asked, of which data; the best
so far as metrics that grow; in the end the summary), and below it one **child run** per trial, written in four calls:
created with all its tags, filled in one batch, told its table, ended. Only a run that was ended counts; what a killed process
left half written is deleted when the sweep goes on.

The way to the store is `store`'s, and the registry has a module of its own.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run

from branchsweep.errors import TrackingError, TrackingServerUnavailableError, did_you_mean
from branchsweep.tracking.mlflow import serialization, ui_views
from branchsweep.tracking.mlflow.registry import MlflowRegistry
from branchsweep.tracking.mlflow.run_lock import LockHolder, RunLock, refusal
from branchsweep.tracking.mlflow.serialization import MetricPoint, tag_name
from branchsweep.tracking.mlflow.store import (
    IMPATIENT_REQUESTS,
    connect,
    environment,
    experiment_id,
    experiments,
    log_batches,
    log_files,
    newest_run,
    now_in_milliseconds,
    open_run,
    root_runs,
    search_runs,
    select_parent,
    tag_filter,
    to_run,
    translate_errors,
)
from branchsweep.tracking.mlflow.test_audit import MlflowTestAudit
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, TableRecord, Tracking, TrackingLinks
from branchsweep.tracking.recorded_trials import RecordedTrials
from branchsweep.tracking.run_records import EXPERIMENT, read_sweep_record
from branchsweep.tracking.tracking_uri import artifact_location, is_server, resolve_tracking_uri
from branchsweep.tracking.ui_pages import MODELS, charts_page, file_page, run_page, version_page, view_page
from branchsweep.trial import Result, Status


class MlflowTracker:
    """Plays `roles.Ledger` over an MLflow store. Made by `open` (to write) and `open_existing` (to read).

    Args:
        client: Of the store.
        parent: The sweep's run.
        sweep: What was written down when the sweep began.
        is_resumed: Whether the sweep stood in the store before.
        lock: The lock of the sweep of who writes.
    """

    def __init__(
        self, client: MlflowClient, parent: Run, sweep: SweepRecord, is_resumed: bool, lock: RunLock | None = None
    ) -> None:
        self._client = client
        self._parent = parent
        self._sweep = sweep
        self._is_resumed = is_resumed
        self._lock = lock
        self._is_open = not is_resumed
        self._history = None if is_resumed else RecordedTrials(sweep.objective, sweep.score_metrics)
        self._conclusion = _conclusion(parent) if is_resumed else None
        self._runs: dict[int, str] = {}  # the run of each trial
        self._learnt_from = [_dataset_input(sweep.table)] if sweep.table else []

    @classmethod
    def open(
        cls, record: SweepRecord, tracking_uri: str | None = None, fresh: bool = False, take_over: bool = False
    ) -> MlflowTracker:
        """The sweep of this key goes on if the store has it, whether it was killed or finished; else it begins.

        Either way it is this process's from then on: see `lease`.

        Args:
            record: What is written down about the sweep.
            tracking_uri: Where; see `address.resolve`. A sqlite file that does not exist is made, in a few seconds.
            fresh: Begin a new sweep in any case.
            take_over: Go on with the sweep even if another process runs it, which then stops.

        Raises:
            TrackingError: The address is none, nobody answers there, or what answers is not a store that can be used; or
                another                 process runs this sweep.
        """
        uri = resolve_tracking_uri(tracking_uri)
        client = connect(uri, create=True)
        with translate_errors(uri, "opening the sweep"):
            within = experiment_id(client, record.name, artifact_location(uri, record.name))
            parent = None if fresh else newest_run(client, within, "sweep", record.key)
            if parent is not None:
                lock = RunLock.take(client, parent, take_over)  # before anything of another process's is deleted
                _forget_half_written(client, within, parent.info.run_id)
                return cls(client, parent, record, is_resumed=True, lock=lock)
            holder = LockHolder.here()
            tags = {**_parent_tags(record), **holder.tags}
            parent = client.create_run(within, tags=tags, run_name=record.name)
            if not fresh:
                _refuse_twins(client, parent, record.key)
            ledger = cls(client, parent, record, is_resumed=False, lock=RunLock(client, parent, holder))
            ledger._furnish()
            return ledger

    @property
    def run_id(self) -> str:
        """The parent run."""
        return str(self._parent.info.run_id)

    @property
    def tracking(self) -> Tracking:
        """The tracker with the registry and the test audit of the same store."""
        return Tracking(self, MlflowRegistry(self._client), MlflowTestAudit(self._client, self.run_id))

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> str:
        """The store's address in full."""
        return str(self._client.tracking_uri)

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep began."""
        return self._sweep

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._is_resumed

    @property
    def earlier_tags(self) -> Mapping[str, str]:
        """The sweep's tags (without the prefix) as they stood in the store when it was opened."""
        return serialization.from_tags(self._parent.data.tags)

    @property
    def lock(self) -> RunLock:
        """The hold on the sweep. Only who opened it to write has one."""
        assert self._lock is not None
        return self._lock

    @property
    def conclusion(self) -> SweepConclusion | None:
        """The parent run's metrics and our tags on it; None for a sweep that has not come to its end."""
        return self._conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Write each trial that does not stand there yet as a child run, and then the progress on the parent, once.

        Raises:
            TrackingServerUnavailableError: The server does not answer. The same may be offered again: what came through is
                not written twice.
            TrackingError: The store did not take it, or holds a trial of this number with other params.
        """
        with environment(IMPATIENT_REQUESTS if is_server(self.tracking_uri) else {}):
            try:
                self._record(results)
            except TrackingServerUnavailableError:
                self._history = None  # the last request may have come through, and its answer not: see what stands there
                raise

    def _record(self, results: Sequence[Result]) -> None:
        if self._history is None:
            with translate_errors(self.tracking_uri, "reading the sweep"):
                _forget_half_written(self._client, self.experiment_id, self.run_id)
        history = self._read() if self._history is None else self._history
        fresh = history.unrecorded(results)
        if not fresh:
            return
        with translate_errors(self.tracking_uri, f"recording trial {fresh[0].trial.number}"):
            self._reopen()
            for result in fresh:
                self._write(result)
                history.add(result)
            log_batches(
                self._client,
                self.run_id,
                [MetricPoint(name, value, len(history)) for name, value in history.progress_metrics.items()],
            )

    def recorded_results(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers. The learning curves stay in the store.

        Raises:
            TrackingError: The store did not answer, or holds something unexpected.
        """
        with translate_errors(self.tracking_uri, "reading the sweep"):
            results: dict[int, Result] = {}
            for run in finished_trials(self._client, self.experiment_id, self.run_id):
                result = serialization.result_from_run(run.data.tags, run.data.metrics, self._sweep.score_metrics)
                results.setdefault(result.trial.number, result)
                self._runs.setdefault(result.trial.number, run.info.run_id)
        self._history = RecordedTrials(self._sweep.objective, self._sweep.score_metrics, results.values())
        return [results[number] for number in sorted(results)]

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files as artifacts of a trial's run."""
        if self._history is None:
            self._read()
        with translate_errors(self.tracking_uri, f"keeping the pictures of trial {trial}"):
            log_files(self._client, self._runs[trial], files)

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Where people see this sweep, and these of its trials, in MLflow's pages."""
        if self._history is None:
            self._read()
        return TrackingLinks(
            trials={number: run_page(self.experiment_id, self._runs[number]) for number in trials if number in self._runs},
            table=view_page(self.experiment_id, self.run_id),
            charts=charts_page(self.experiment_id, self.run_id),
            models=MODELS,
            file=partial(file_page, self.experiment_id, self.run_id),
            version=version_page,
        )

    def finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Mapping[str, str | bytes],
        description: str = "",
    ) -> None:
        """Record the sweep's final metrics, tags, files and description, and mark it as finished.

        Raises:
            TrackingError: The store did not take it.
        """
        history = self._read() if self._history is None else self._history
        with translate_errors(self.tracking_uri, "concluding the sweep"):
            self._reopen()
            _forget_half_written(self._client, self.experiment_id, self.run_id)  # a request that was sent twice leaves one
            log_files(self._client, self.run_id, files)
            points = [MetricPoint(name, value, len(history)) for name, value in history.progress_metrics.items()]
            points += [MetricPoint(name, value) for name, value in metrics.items()]
            log_batches(
                self._client,
                self.run_id,
                points,
                tags=serialization.replace_tags(self._parent.data.tags, {**tags, **serialization.description_tag(description)}),
            )
            self._client.set_terminated(self.run_id, "FINISHED")
            self._parent = self._client.get_run(self.run_id)
            self._is_open, self._conclusion = False, _conclusion(self._parent)

    def artifact(self, name: str) -> bytes | None:
        """What was kept with the sweep under this file name; None where there is no such file.

        Raises:
            TrackingError: The store did not answer.
        """
        with (
            translate_errors(self.tracking_uri, f"reading {name}"),
            tempfile.TemporaryDirectory(prefix="branchsweep-") as folder,
        ):
            parent = name.rpartition("/")[0]
            if name not in {file.path for file in self._client.list_artifacts(self.run_id, parent or None)}:
                return None
            return Path(self._client.download_artifacts(self.run_id, name, folder)).read_bytes()

    def _read(self) -> RecordedTrials:
        self.recorded_results()
        assert self._history is not None
        return self._history

    def _reopen(self) -> None:
        """A sweep that goes on is running again, and was last run as it is now."""
        if self._is_open:
            return
        self._client.update_run(self.run_id, status="RUNNING")
        log_batches(self._client, self.run_id, tags=_parent_tags(self._sweep))
        self._furnish()
        self._is_open, self._conclusion = True, None

    def _furnish(self) -> None:
        """Files, the table, the view in which MLflow's pages show the trials, and last the tag that tells of the view."""
        log_files(self._client, self.run_id, {EXPERIMENT: self._sweep.yaml, **self._sweep.files})
        if self._learnt_from:
            self._client.log_inputs(self.run_id, self._learnt_from)
        began = self._parent.info.start_time
        title = f"{self._sweep.name}, {datetime.fromtimestamp(began / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
        score_metrics, dimensions = self._sweep.score_metrics, self._sweep.dimensions
        for name, value in ui_views.view_tags(
            self.run_id, title, score_metrics, dimensions, _below(self.run_id), created=began
        ).items():
            self._client.set_experiment_tag(self.experiment_id, name, value)
        log_batches(self._client, self.run_id, tags=serialization.to_tags({"view": self.run_id}))

    def _write(self, result: Result) -> None:
        began = now_in_milliseconds()
        tags = serialization.trial_tags(result, self.run_id)
        run = self._client.create_run(self.experiment_id, began, tags, serialization.run_name(result))
        log_batches(
            self._client,
            run.info.run_id,
            serialization.trial_metrics(result.score, self._sweep.score_metrics),
            params=serialization.readable_params(result.trial),
        )
        if self._learnt_from:
            self._client.log_inputs(run.info.run_id, self._learnt_from)
        self._runs[result.trial.number] = run.info.run_id
        ended = began + round(1000 * result.score.seconds)  # so that MLflow's "duration" is the trial's
        failed = result.score.status is Status.FAILED
        self._client.set_terminated(run.info.run_id, "FAILED" if failed else "FINISHED", ended)


def open_existing(tracking_uri: str | None, sweep: str = "") -> MlflowTracker:
    """A sweep that stands in the store, to read from it.

    Args:
        tracking_uri: The store; see `address.resolve`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such sweep, or more than one.
    """
    return open_run(tracking_uri, "sweep", sweep, _read_only)


def open_trial(tracking_uri: str | None, run: str) -> tuple[MlflowTracker, int]:
    """The sweep of a trial, to read from it, and the trial's number.

    Args:
        tracking_uri: The store; see `address.resolve`.
        run: The trial's run id, or the beginning of that.

    Raises:
        TrackingError: There is no such trial, or more than one.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=False)
    with translate_errors(uri, "looking for the trial"):
        parents = root_runs(client, "sweep")
        found = _trials(client, run)
        if len(found) != 1:
            raise TrackingError(_no_such_trial(run, found, parents))
        tags = found[0].data.tags
        parent = select_parent(parents, tags[tag_name("sweep")], "sweep", uri)
        return _read_only(client, parent), int(tags[tag_name("trial")])


def _read_only(client: MlflowClient, parent: Run) -> MlflowTracker:
    return MlflowTracker(client, parent, _sweep_record(client, parent), is_resumed=True)


def _forget_half_written(client: MlflowClient, experiment_id: str, parent: str) -> None:
    """Delete runs of trials that were not written to their end: killed in the middle, such a trial is trained again."""
    for run in list(search_runs(client, [experiment_id], f"{_below(parent)} AND status = 'RUNNING'")):
        client.delete_run(run.info.run_id)


def _refuse_twins(client: MlflowClient, parent: Run, key: str) -> None:
    """Give up a sweep that has just begun if another process has begun the same one in the same moment: one of two is too many.

    Raises:
        TrackingError: It has.
    """
    for run in list(
        search_runs(client, [parent.info.experiment_id], f"{tag_filter('role', 'sweep')} AND {tag_filter('key', key)}")
    ):
        holder = LockHolder.of(run.data.tags)
        if holder is not None and not holder.is_us and holder.is_alive:
            client.delete_run(parent.info.run_id)
            raise TrackingError(refusal(run, holder))


def _below(parent: str) -> str:
    return tag_filter("sweep", parent)


def _parent_tags(record: SweepRecord) -> dict[str, str]:
    objective = record.objective.model_dump_json(exclude_defaults=True)
    return serialization.start_tags(record, "sweep", objective=objective, description=record.description)


def _dataset_input(table: TableRecord) -> DatasetInput:
    """The table as MLflow shows what a run learnt from. Its digest is ours, over all rows, shortened to what fits a page."""
    columns = [{"type": "double", "name": name, "required": True} for name in table.columns]
    dataset = Dataset(
        name=table.name,
        digest=table.digest[:12],
        source_type="http" if is_server(table.location) else "local",
        source=json.dumps({"url" if is_server(table.location) else "uri": table.location}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": table.rows, "num_elements": table.rows * len(columns)}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _conclusion(parent: Run) -> SweepConclusion | None:
    if parent.info.status != "FINISHED":
        return None
    return SweepConclusion(metrics=dict(parent.data.metrics), tags=serialization.from_tags(parent.data.tags))


def _trials(client: MlflowClient, beginning: str) -> list[Run]:
    """The runs of trials that were written to their end and whose ids begin so."""
    if not re.fullmatch("[0-9a-f]+", beginning):  # what else there is might mean something in a query
        return []
    query = f"{tag_filter('role', 'trial')} AND attributes.run_id LIKE '{beginning}%' AND status != 'RUNNING'"
    return list(search_runs(client, experiments(client), query))


def _no_such_trial(run: str, found: Sequence[Run], parents: Sequence[Run]) -> str:
    """Why these are not one trial, and what to write instead."""
    if found:
        known = ", ".join(f"{one.info.run_id[:12]} (trial {one.data.tags[tag_name('trial')]})" for one in found[:10])
        return f"got run '{run}', which begins the ids of several trials: {known}; write more letters"
    names = [str(parent.info.run_name) for parent in parents]
    if run and any(run == str(one.info.run_name) or one.info.run_id.startswith(run) for one in parents):
        return f"got run '{run}', which is a sweep; say which of its trials is meant (--trial NUMBER)"
    hint = did_you_mean(run, names)
    return f"got run '{run}', expected the run id of a trial, or a sweep and --trial NUMBER{hint}"


def finished_trials(client: MlflowClient, experiment_id: str, parent: str) -> Iterator[Run]:
    """The trials of a sweep that were written to their end."""
    return search_runs(client, [experiment_id], f"{_below(parent)} AND status != 'RUNNING'")


def experiment_yaml(client: MlflowClient, run_id: str) -> str:
    """The experiment as it was run, from the artifacts of its run."""
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, EXPERIMENT, folder)).read_text(encoding="utf-8")


def _sweep_record(client: MlflowClient, parent: Run) -> SweepRecord:
    """What was written down when the sweep began, read back."""
    return read_sweep_record(to_run(parent), experiment_yaml(client, parent.info.run_id))
