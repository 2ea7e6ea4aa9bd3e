"""Runs that are recorded part by part, `parts/<name>.json`, so that what was killed is continued from its finished parts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.errors import reading_record
from branchsweep.runtime import temporary_folder
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import OWNER, LockOwner
from branchsweep.tracking.mlflow.run_lock import mark_as_running_again
from branchsweep.tracking.mlflow.run_tracker import RunTracker, open_experiment
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.store import log_batches
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.tracking.run_records import END_MARK, PARTS

Record = TypeVar("Record", SweepRecord, ComparisonRecord)


class PartsTracker(RunTracker, ABC, Generic[Record]):
    """A `RunTracker` that keeps finished parts as artifacts of its run. Made by `open` to write.

    Args:
        client: Of the store.
        parent: The run.
        record: What is written down about it.
        is_running: Whether the run has the status of one that is run by this process.
        optional: Reports a view, or a description of the experiment, that MLflow does not take.
    """

    what: ClassVar[str]
    """What it records, for messages."""

    role: ClassVar[str]
    """The role of its run."""

    def __init__(
        self, client: MlflowClient, parent: Run, record: Record, is_running: bool, optional: OptionalOutputs = SILENT
    ) -> None:
        super().__init__(client, parent, record, optional)
        self._record: Record = record
        self._is_running = is_running

    @classmethod
    def open(
        cls, record: Record, tracking_uri: Address | None = None, fresh: bool = False, optional: OptionalOutputs = SILENT
    ) -> Self:
        """Resume the run of this key if the store has it, whether it was killed or finished; else start it.

        Args:
            record: What is written down about it.
            tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
            fresh: Start a new one in any case.
            optional: As of the constructor.

        Raises:
            TrackingError: There is no usable store at this URI.
        """
        with open_experiment(cls.role, record, tracking_uri, fresh) as (client, experiment, recorded):
            if recorded is not None:
                tracker = cls(client, recorded, record, False, optional)
                if recorded.info.status != "FINISHED":
                    tracker._resume()
                return tracker
            tags = {**cls._start_tags(record), **_owner_tags()}
            parent = client.create_run(experiment, tags=tags, run_name=record.name)
            tracker = cls(client, parent, record, True, optional)
            tracker._log_setup()
            return tracker

    def recorded_parts(self) -> dict[str, Any]:
        """The parts that are recorded so far, by name.

        Raises:
            TrackingError: The store did not answer, or a part cannot be read.
        """
        with translate_errors(self.tracking_uri, f"reading the {self.what}"), self._downloaded(PARTS) as folder:
            texts = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.json"))}
        complete = {path.with_suffix("").as_posix(): text for path, text in texts.items() if text.endswith(END_MARK)}
        with reading_record(f"a part of {self.what} {self.run_id[:8]}"):
            return {part: json.loads(text) for part, text in complete.items()}

    def record_part(self, part: str, data: Any) -> None:
        """Record a finished part as `parts/<part>.json`; it replaces an earlier one. What was finished is open again.

        Raises:
            TrackingError: The store refused it.
            ValueError: JSON cannot express the data: NaN, for example.
        """
        text = json.dumps(data, allow_nan=False, ensure_ascii=False)
        with translate_errors(self.tracking_uri, f"recording {part}"):
            self._reopen()
            self._client.log_text(self.run_id, text + END_MARK, f"{PARTS}/{part}.json")

    @classmethod
    @abstractmethod
    def _start_tags(cls, record: Record) -> dict[str, str]:
        """The tags of the run when it starts."""

    def _log_setup(self) -> None:
        """Log what is written down when the run starts, and what MLflow's pages show of it."""
        raise NotImplementedError

    def _resume(self) -> None:
        """Let the store know that this process goes on with what another one left unfinished, before a part is recorded."""
        log_batches(self._client, self.run_id, tags=_owner_tags())
        mark_as_running_again(self._client, self._parent)

    def _reopen(self) -> None:
        """Mark a resumed run as running, and write down how it is run now."""
        if self._is_running:
            return
        self._mark_as_running({**self._start_tags(self._record), **_owner_tags()})
        self._log_setup()
        self._parent = self._client.get_run(self.run_id)
        self._is_running = True

    def _end(self, answer: str) -> None:
        """As of `RunTracker`; afterwards no process runs it."""
        super()._end(answer)
        self._client.delete_tag(self.run_id, tag_name(OWNER))
        self._is_running = False

    @contextmanager
    def _downloaded(self, name: str) -> Iterator[Path]:
        """A local folder with the artifacts below this name, empty if there are none, for as long as the context is open."""
        with temporary_folder() as folder:
            if any(artifact.path == name for artifact in self._client.list_artifacts(self.run_id)):
                self._client.download_artifacts(self.run_id, name, str(folder))
            yield folder / name


def _owner_tags() -> dict[str, str]:
    """The tag that names this process, by which others see whether what it records was interrupted."""
    return {tag_name(OWNER): LockOwner.this_process().tags[tag_name(OWNER)]}
