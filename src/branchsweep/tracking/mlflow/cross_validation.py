"""Outer cross-validations in MLflow: one run with the nested score, and below it the sweeps of the folds.

The run is in the experiment of its name, distinguished from a sweep by the tag `branchsweep.role`. The sweeps of its folds are
ordinary ones in the same experiment, whose parent it is. Until it is finished, it keeps its finished folds as parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import OWNER
from branchsweep.tracking.mlflow.parts_tracker import PartsTracker, owner_tags
from branchsweep.tracking.mlflow.run_tracker import open_experiment
from branchsweep.tracking.mlflow.serialization.records import SUMMARY_TAG, start_tags
from branchsweep.tracking.mlflow.serialization.tags import description_tag, replace_tags, tag_name
from branchsweep.tracking.mlflow.serialization.trials import MetricPoint
from branchsweep.tracking.mlflow.store import log_batches, log_files, to_run
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord
from branchsweep.tracking.run_records import ANSWER, CROSS_VALIDATION, EXPERIMENT, read_conclusion


class MlflowCrossValidationTracker(PartsTracker):
    """A `CrossValidationTracker` in MLflow. Made by `open`.

    Args:
        client: Of the store.
        parent: The run.
        record: What is written down about it.
        is_running: Whether the run has the status of one that is run by this process.
    """

    what = "outer cross-validation"

    def __init__(self, client: MlflowClient, parent: Run, record: SweepRecord, is_running: bool) -> None:
        super().__init__(client, parent, record)
        self._record = record
        self._is_running = is_running

    @classmethod
    def open(
        cls,
        record: SweepRecord,
        tracking_uri: Address | None = None,
        fresh: bool = False,
        optional: OptionalOutputs = SILENT,
    ) -> Self:
        """Resume the outer cross-validation of this key if the store has it, whether it was killed or finished; else start it.

        Args:
            record: What is written down about it.
            tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
            fresh: Start a new one in any case.
            optional: Reports a description of the experiment that MLflow does not take.

        Raises:
            TrackingError: There is no usable store at this URI.
        """
        with open_experiment(CROSS_VALIDATION, record, tracking_uri, fresh) as (client, experiment, recorded):
            if recorded is not None:
                tracker = cls(client, recorded, record, is_running=False)
                tracker._optional = optional
                if recorded.info.status != "FINISHED":
                    tracker._reopen()
                return tracker
            tags = {**start_tags(record, CROSS_VALIDATION), **owner_tags()}
            tracker = cls(client, client.create_run(experiment, tags=tags, run_name=record.name), record, is_running=True)
            tracker._optional = optional
            tracker._log_setup()
            return tracker

    @property
    def conclusion(self) -> SweepConclusion | None:
        """Metrics and summary of the run; None for one that has not finished."""
        return read_conclusion(to_run(self._parent))

    def finish(self, conclusion: SweepConclusion, answer: str, files: Mapping[str, str | bytes], description: str = "") -> None:
        """Record the final metrics, summary and files, and mark the run as finished.

        Raises:
            TrackingError: The store refused them.
        """
        with translate_errors(self.tracking_uri, f"finishing the {self.what}"):
            self._reopen()
            log_files(self._client, self.run_id, files)
            points = [MetricPoint(name, value) for name, value in conclusion.metrics.items()]
            texts = {SUMMARY_TAG: conclusion.summary, ANSWER: answer}
            tags = {**texts, **description_tag(description)}
            log_batches(self._client, self.run_id, points, tags=replace_tags(self._parent.data.tags, tags))
            self._client.delete_tag(self.run_id, tag_name(OWNER))
            self._end(answer)
            self._is_running = False

    def _reopen(self) -> None:
        """Mark a resumed run as running, and write down how it is run now."""
        if self._is_running:
            return
        self._mark_as_running({**start_tags(self._record, CROSS_VALIDATION), **owner_tags()})
        self._log_setup()
        self._parent = self._client.get_run(self.run_id)
        self._is_running = True

    def _log_setup(self) -> None:
        """Log the experiment, the table, and the description of the experiment in MLflow."""
        log_files(self._client, self.run_id, {EXPERIMENT: self._record.yaml, **self._record.files})
        if self._inputs:
            self._client.log_inputs(self.run_id, self._inputs)
        self._describe_experiment()
