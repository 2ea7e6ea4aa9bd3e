"""What the trackers of sweeps and comparisons share: each is one run of an experiment, found again by its key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run

from branchsweep.config.addresses import Address
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.mlflow.connection import address_of, connect
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.experiment_description import describe_experiment
from branchsweep.tracking.mlflow.serialization.tags import to_tags
from branchsweep.tracking.mlflow.serialization.titles import NAME_TAG, title
from branchsweep.tracking.mlflow.store import experiment_id, log_batches, newest_run, tag_filter
from branchsweep.tracking.mlflow.ui_views import ContestantsView, SavedView, TrialsView
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs
from branchsweep.tracking.protocols import SweepRecord, TableRecord
from branchsweep.tracking.tracking_uri import artifact_location, is_server, resolve_tracking_uri


class RunTracker:
    """The run of a whole sweep or comparison, with the client of its store.

    Args:
        client: Of the store.
        parent: The run, which the runs of trials or contestants belong to.
        record: What is written down about the sweep or comparison.
        optional: Reports a view, or a description of the experiment, that MLflow does not take.
    """

    def __init__(
        self,
        client: MlflowClient,
        parent: Run,
        record: SweepRecord | ComparisonRecord,
        optional: OptionalOutputs = SILENT,
    ) -> None:
        self._client = client
        self._parent = parent
        self._record_of_run = record
        self._optional = optional

    @property
    def run_id(self) -> str:
        """The run of the sweep or comparison."""
        return str(self._parent.info.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> Address:
        """The store's URI in full."""
        return address_of(self._client)

    @cached_property
    def _inputs(self) -> list[DatasetInput]:
        """The table, as an input of this run and of those below it, and that of the test rows if they have one."""
        record = self._record_of_run
        test = record.test_table if isinstance(record, SweepRecord) else None
        inputs = [_dataset_input(record.table, "training")] if record.table.name else []
        return [*inputs, *([_dataset_input(test, "testing")] if test else [])]

    def _log_pages(self, role: str, view: TrialsView | ContestantsView) -> None:
        """Log what MLflow's pages show of a run that begins: its input, the view of the runs below it, the experiment's text.

        Args:
            role: The tag of the runs below it that names this run: `sweep` or `comparison`.
            view: What the view shows.
        """
        if self._inputs:
            self._client.log_inputs(self.run_id, self._inputs)
        what = {"sweep": "trials", "comparison": "contestants"}[role]
        self._optional.make(f"the view of the {what} in MLflow", lambda: self._log_view(role, view), None)
        self._describe_experiment()

    def _log_view(self, role: str, view: TrialsView | ContestantsView) -> None:
        """Log the view, and last the tag that names it."""
        started, query = self._parent.info.start_time, tag_filter(role, self.run_id)
        label = f"{self._record_of_run.name}, {datetime.fromtimestamp(started / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
        saved = SavedView(self.run_id, label, started)
        for name, value in saved.tags(view.table(query), view.charts(query)).items():
            self._client.set_experiment_tag(self.experiment_id, name, value)
        log_batches(self._client, self.run_id, tags=to_tags({"view": self.run_id}))

    def _describe_experiment(self) -> None:
        self._optional.make(
            "the description of the experiment in MLflow", lambda: describe_experiment(self._client, self.experiment_id), None
        )

    def _end(self, answer: str) -> None:
        """Mark the run as finished, with its answer in the title, and read it."""
        name = self._record_of_run.name
        log_batches(self._client, self.run_id, tags=to_tags({NAME_TAG: name}))
        self._client.update_run(self.run_id, name=title(name, answer))
        self._client.set_terminated(self.run_id, "FINISHED")
        self._parent = self._client.get_run(self.run_id)
        self._describe_experiment()

    def _mark_as_running(self, tags: Mapping[str, Any]) -> None:
        """Give the run of a resumed sweep or comparison the status and the name that it had when it began, and new tags."""
        self._client.update_run(self.run_id, status="RUNNING", name=self._record_of_run.name)
        log_batches(self._client, self.run_id, tags=tags)


def _dataset_input(table: TableRecord, context: str) -> DatasetInput:
    """The table as MLflow shows the inputs of a run. Its digest is ours, over all rows, cut to the length MLflow allows."""
    columns = [{"type": "double", "name": name, "required": True} for name in table.columns]
    dataset = Dataset(
        name=table.name,
        digest=table.digest[:12],
        source_type="http" if is_server(Address(table.location)) else "local",
        source=json.dumps({"url" if is_server(Address(table.location)) else "uri": table.location}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": table.rows, "num_elements": table.rows * len(columns)}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


@contextmanager
def open_experiment(
    role: str, record: SweepRecord | ComparisonRecord, tracking_uri: Address | None, fresh: bool
) -> Iterator[tuple[MlflowClient, str, Run | None]]:
    """The client of a store, the id of the record's experiment, and the run to resume, if there is one.

    The experiment is created if it does not exist; while the context is open, MLflow's errors are translated.

    Args:
        role: `sweep`, `comparison` or `cross_validation`.
        record: Gives the experiment's name, and the key by which the run is found.
        tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
        fresh: Resume no run.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=True)
    name = record.store_name if isinstance(record, SweepRecord) else record.name
    with translate_errors(uri, f"opening the {role}"):
        experiment = experiment_id(client, name, artifact_location(uri, name))
        yield client, experiment, None if fresh else newest_run(client, experiment, role, record.key)
