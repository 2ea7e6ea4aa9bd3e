"""The tracker in MLflow: sweeps and trials as runs.

An experiment in MLflow has the name of ours. It holds one **parent run** per sweep (the question, facts about the data, the
best scores so far as metrics, in the end the result), and below it one **child run** per trial. A trial is written in four
calls: create the run with its tags, log params and metrics in one batch, log its input table, end the run. Only a run that was
ended counts; what a killed process has left half written is deleted when the sweep is resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.errors import FilesRefusedError, TrackingError, TrackingServerUnavailableError
from branchsweep.tracking.mlflow import ui_views
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.registry import MlflowRegistry
from branchsweep.tracking.mlflow.run_lock import RunLock, refusal
from branchsweep.tracking.mlflow.run_tracker import RunTracker, open_experiment
from branchsweep.tracking.mlflow.serialization.records import SUMMARY_TAG, environment_from_tags, start_tags
from branchsweep.tracking.mlflow.serialization.tags import description_tag, from_tags, naming_record, replace_tags
from branchsweep.tracking.mlflow.serialization.titles import sweep_answer
from branchsweep.tracking.mlflow.serialization.trials import (
    MetricPoint,
    readable_params,
    result_from_run,
    run_name,
    trial_metrics,
    trial_tags,
)
from branchsweep.tracking.mlflow.store import (
    finished_trials,
    log_batches,
    log_files,
    now_in_milliseconds,
    open_run,
    read_artifact,
    root_runs,
    search_runs,
    tag_filter,
    to_run,
)
from branchsweep.tracking.mlflow.test_audit import MlflowTestAudit
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord, Tracking, TrackingLinks
from branchsweep.tracking.recorded_trials import RecordedTrials
from branchsweep.tracking.run_records import EXPERIMENT, TRIAL_REMEDY, read_conclusion, read_sweep_record
from branchsweep.tracking.ui_pages import tracking_links
from branchsweep.trial import Result, Status

RUN_STATUS = {Status.COMPLETE: "FINISHED", Status.PRUNED: "KILLED", Status.FAILED: "FAILED"}
"""MLflow's status of a trial's run. Earlier versions wrote `FINISHED` for pruned ones; the tag `status` is what is read."""


class MlflowTracker(RunTracker):
    """A `Tracker` in MLflow. Made by `open` (to write) and `open_existing` (to read).

    Args:
        client: Of the store.
        parent: The sweep's run.
        sweep: What is written down about the sweep.
        is_resumed: Whether the store had this sweep before.
        lock: By which this process owns the sweep; None to read only.
    """

    def __init__(
        self, client: MlflowClient, parent: Run, sweep: SweepRecord, is_resumed: bool, lock: RunLock | None = None
    ) -> None:
        super().__init__(client, parent, sweep)
        self._sweep = sweep
        self._is_resumed = is_resumed
        self._lock = lock
        self._is_running = not is_resumed  # whether the run has the status of a sweep that is run by this process
        self._recorded = (
            None if is_resumed else RecordedTrials(sweep.objective, sweep.score_metrics)
        )  # None: to be read from the store
        self._trial_runs: dict[int, str] = {}  # run ids by the trials' numbers

    @classmethod
    def open(
        cls,
        record: SweepRecord,
        tracking_uri: Address | None = None,
        fresh: bool = False,
        take_over: bool = False,
        optional: OptionalOutputs = SILENT,
    ) -> Self:
        """Resume the sweep of this key if the store has it, whether it was killed or finished; else start it.

        From then on the sweep is this process's alone (`run_lock`).

        Args:
            record: What is written down about the sweep.
            tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
            fresh: Start a new sweep in any case.
            take_over: Resume the sweep even if another process runs it, which then stops.
            optional: Reports a view, or a description of the experiment, that MLflow does not take.

        Raises:
            TrackingError: There is no usable store at this URI, or another process runs this sweep.
        """
        with open_experiment("sweep", record, tracking_uri, fresh) as (client, experiment, recorded):
            if recorded is not None:
                lock = RunLock.take(client, recorded, take_over)  # before anything of another process is deleted
                _delete_half_written(client, experiment, recorded.info.run_id)
                tracker = cls(client, recorded, record, is_resumed=True, lock=lock)
                tracker._optional = optional
                return tracker
            owner = LockOwner.this_process()
            parent = client.create_run(experiment, tags={**_parent_tags(record), **owner.tags}, run_name=record.name)
            if not fresh:
                _refuse_same_sweep(client, parent, record.key)
            tracker = cls(client, parent, record, is_resumed=False, lock=RunLock(client, parent, owner))
            tracker._optional = optional
            tracker._log_setup()
            return tracker

    @property
    def tracking(self) -> Tracking:
        """The tracker with the registry and the test audit of the same store."""
        return Tracking(self, MlflowRegistry(self._client), MlflowTestAudit(self._client, self.run_id))

    @property
    def sweep(self) -> SweepRecord:
        """What is written down about the sweep."""
        return self._sweep

    @property
    def is_resumed(self) -> bool:
        """Whether the store had this sweep before."""
        return self._is_resumed

    @property
    def earlier_environment(self) -> Mapping[str, str]:
        """The sweep's environment as the store had it when the sweep was opened."""
        return environment_from_tags(from_tags(self._parent.data.tags))

    @property
    def lock(self) -> RunLock:
        """The lock by which this process owns the sweep, which was opened to write."""
        assert self._lock is not None
        return self._lock

    @property
    def conclusion(self) -> SweepConclusion | None:
        """Metrics and summary of the sweep's run; None for a sweep that has not finished."""
        return None if self._is_running else read_conclusion(to_run(self._parent))

    def record(self, results: Sequence[Result]) -> None:
        """Write each trial that is not recorded yet as a child run, and then the progress on the parent run, once.

        Raises:
            TrackingServerUnavailableError: The server does not answer. The same results may be passed again: what was written
                is not written twice.
            TrackingError: The store refused them, or has recorded a trial of the same number with other params.
        """
        try:
            self._record(results)
        except TrackingServerUnavailableError:
            self._recorded = None  # the last request may have been served, though its answer was lost
            raise

    def recorded_results(self) -> list[Result]:
        """All recorded results, in order of the trials' numbers, without learning curves.

        Raises:
            TrackingError: The store did not answer, or a trial cannot be read.
        """
        with translate_errors(self.tracking_uri, "reading the sweep"):
            results: dict[int, Result] = {}
            for run in finished_trials(self._client, self.experiment_id, self.run_id):
                with naming_record(f"a trial of this sweep (run {run.info.run_id[:8]})", TRIAL_REMEDY):
                    result = result_from_run(run.data.tags, run.data.metrics, self._sweep.score_metrics)
                results.setdefault(result.trial.number, result)
                self._trial_runs.setdefault(result.trial.number, run.info.run_id)
        self._recorded = RecordedTrials.of(self._sweep.objective, self._sweep.score_metrics, results.values())
        return [results[number] for number in sorted(results)]

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep files as artifacts of a trial's run.

        Raises:
            FilesRefusedError: The store refused them.
        """
        self._recorded_trials()
        with translate_errors(self.tracking_uri, f"keeping the files of trial {trial}", FilesRefusedError):
            log_files(self._client, self._trial_runs[trial], files)

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files as artifacts of the sweep's run.

        Raises:
            FilesRefusedError: The store refused them.
        """
        with translate_errors(self.tracking_uri, "keeping the files of the sweep", FilesRefusedError):
            log_files(self._client, self.run_id, files)

    def links(self, trials: Sequence[int]) -> TrackingLinks:
        """Links to this sweep, and to these of its trials, in MLflow's pages."""
        self._recorded_trials()
        runs = {number: self._trial_runs[number] for number in trials if number in self._trial_runs}
        with translate_errors(self.tracking_uri, "listing the comparisons"):
            comparisons = [to_run(run) for run in root_runs(self._client, "comparison")]
        return tracking_links(to_run(self._parent), runs, comparisons, self.tracking_uri)

    def finish(
        self, metrics: Mapping[str, float], summary: str, files: Mapping[str, str | bytes], description: str = ""
    ) -> None:
        """Record the sweep's final metrics, summary, files and description, and mark it as finished.

        Raises:
            TrackingError: The store refused them.
        """
        recorded = self._recorded_trials()
        with translate_errors(self.tracking_uri, "finishing the sweep"):
            self._reopen()
            _delete_half_written(self._client, self.experiment_id, self.run_id)  # left by a request that was sent twice
            log_files(self._client, self.run_id, files)
            points = [*_progress(recorded), *(MetricPoint(name, value) for name, value in metrics.items())]
            tags = {SUMMARY_TAG: summary, **description_tag(description)}
            tags = replace_tags(self._parent.data.tags, tags)
            log_batches(self._client, self.run_id, points, tags=tags)
            self._end(sweep_answer({**recorded.progress_metrics, **metrics}, self._sweep.score_metrics))
            self._is_running = False

    def _record(self, results: Sequence[Result]) -> None:
        if self._recorded is None:
            with translate_errors(self.tracking_uri, "reading the sweep"):
                _delete_half_written(self._client, self.experiment_id, self.run_id)
        recorded = self._recorded_trials()
        unrecorded = recorded.unrecorded(results)
        if not unrecorded:
            return
        with translate_errors(self.tracking_uri, f"recording trial {unrecorded[0].trial.number}"):
            self._reopen()
            for result in unrecorded:
                self._write(result)
                recorded.add(result)
            log_batches(self._client, self.run_id, _progress(recorded))

    def _recorded_trials(self) -> RecordedTrials:
        """What is recorded, read from the store where that is not known."""
        if self._recorded is None:
            self.recorded_results()
        assert self._recorded is not None
        return self._recorded

    def _reopen(self) -> None:
        """Mark a resumed sweep as running, and write down how it is run now."""
        if self._is_running:
            return
        self._mark_as_running(_parent_tags(self._sweep))
        self._log_setup()
        self._is_running = True

    def _log_setup(self) -> None:
        """Log files, the table, the view of the trials, and the description of the experiment."""
        log_files(self._client, self.run_id, {EXPERIMENT: self._sweep.yaml, **self._sweep.files})
        view = ui_views.TrialsView(self._sweep.score_metrics, self._sweep.dimensions, self._sweep.log_dimensions)
        self._log_pages("sweep", view)

    def _write(self, result: Result) -> None:
        started = now_in_milliseconds()
        tags = trial_tags(result, self.run_id)
        run = self._client.create_run(self.experiment_id, started, tags, run_name(result))
        metrics = trial_metrics(result.score, self._sweep.score_metrics)
        params = readable_params(result.trial, self._sweep.log_dimensions)
        log_batches(self._client, run.info.run_id, metrics, params=params)
        if self._inputs:
            self._client.log_inputs(run.info.run_id, self._inputs)
        self._trial_runs[result.trial.number] = run.info.run_id
        ended = started + round(1000 * result.score.seconds)  # so that the duration in MLflow is the trial's
        self._client.set_terminated(run.info.run_id, RUN_STATUS[result.score.status], ended)


def open_existing(tracking_uri: Address | None, sweep: str = "") -> MlflowTracker:
    """The tracker of a recorded sweep, to read from it and to register its models.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such sweep, or more than one.
    """

    def read(client: MlflowClient, parent: Run) -> MlflowTracker:
        yaml = (read_artifact(client, parent.info.run_id, EXPERIMENT) or b"").decode(errors="replace")
        return MlflowTracker(client, parent, read_sweep_record(to_run(parent), yaml), is_resumed=True)

    return open_run(tracking_uri, "sweep", sweep, read)


def _delete_half_written(client: MlflowClient, experiment_id: str, sweep: str) -> None:
    """Delete runs of trials that were not written completely: the process was killed, and the trial is trained again."""
    for run in list(search_runs(client, [experiment_id], f"{tag_filter('sweep', sweep)} AND status = 'RUNNING'")):
        client.delete_run(run.info.run_id)


def _refuse_same_sweep(client: MlflowClient, parent: Run, key: str) -> None:
    """Give up a sweep that was just started if another process has started the same one at the same time.

    Raises:
        TrackingError: It has.
    """
    query = f"{tag_filter('role', 'sweep')} AND {tag_filter('key', key)}"
    for run in list(search_runs(client, [parent.info.experiment_id], query)):
        owner = LockOwner.from_tags(run.data.tags)
        if owner is not None and not owner.is_this_process and owner.is_alive:
            client.delete_run(parent.info.run_id)
            raise TrackingError(refusal(run, owner))


def _progress(recorded: RecordedTrials) -> list[MetricPoint]:
    """The progress of a sweep, with the number of its trials as step."""
    return [MetricPoint(name, value, len(recorded)) for name, value in recorded.progress_metrics.items()]


def _parent_tags(record: SweepRecord) -> dict[str, str]:
    nested = {"mlflow.parentRunId": record.outer.run_id} if record.outer else {}
    return nested | start_tags(
        record,
        "sweep",
        objective=record.objective.model_dump_json(exclude_defaults=True),
        split_digest=record.split_digest,
        test_digest=record.test_digest,
        driver=record.driver,
        algorithm=record.algorithm,
        description=record.description,
    )
