"""Outer cross-validations in MLflow: one run with the nested score, and below it the sweeps of the folds.

The run is in the experiment of its name, distinguished from a sweep by the tag `branchsweep.role`. The sweeps of its folds are
ordinary ones in the same experiment, whose parent it is. Until it is finished, it keeps its finished folds as parts.
"""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.parts_tracker import PartsTracker
from branchsweep.tracking.mlflow.serialization.records import SUMMARY_TAG, start_tags
from branchsweep.tracking.mlflow.serialization.tags import description_tag, replace_tags
from branchsweep.tracking.mlflow.serialization.trials import MetricPoint
from branchsweep.tracking.mlflow.store import log_batches, log_files, to_run
from branchsweep.tracking.protocols import SweepConclusion, SweepRecord
from branchsweep.tracking.run_records import ANSWER, CROSS_VALIDATION, EXPERIMENT, read_conclusion


class MlflowCrossValidationTracker(PartsTracker[SweepRecord]):
    """A `CrossValidationTracker` in MLflow."""

    what = "outer cross-validation"
    role = CROSS_VALIDATION

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
            self._end(answer)

    @classmethod
    def _start_tags(cls, record: SweepRecord) -> dict[str, str]:
        return start_tags(record, CROSS_VALIDATION)

    def _resume(self) -> None:
        """Mark the run as running at once: its first part is a whole sweep."""
        self._reopen()

    def _log_setup(self) -> None:
        """Log the experiment, the table, and the description of the experiment in MLflow."""
        log_files(self._client, self.run_id, {EXPERIMENT: self._record.yaml, **self._record.files})
        if self._inputs:
            self._client.log_inputs(self.run_id, self._inputs)
        self._describe_experiment()
