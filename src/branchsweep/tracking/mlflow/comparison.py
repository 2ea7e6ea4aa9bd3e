"""Comparisons in MLflow: one run for each, the finished parts as its artifacts, and in the end one run below it per contestant.

A comparison is told from a sweep by the tag `branchsweep.role`, so both may have one name and stand in one experiment. While
it goes on, all that it has is its **parts**, `parts/<name>.json`; a killed one finds them again by its key. Its contestants
are written when it is concluded, all anew: what an earlier conclusion wrote, or half of one, is deleted first.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.errors import TrackingError
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult
from branchsweep.tracking.mlflow import contestant_serialization, serialization
from branchsweep.tracking.mlflow.store import (
    connect,
    experiment_id,
    log_batches,
    log_files,
    newest_run,
    now_in_milliseconds,
    open_run,
    search_runs,
    tag_filter,
    translate_errors,
)
from branchsweep.tracking.protocols import ComparisonRecord
from branchsweep.tracking.tracking_uri import artifact_location, resolve_tracking_uri

YAML, PARTS, FINDINGS = "comparison.yaml", "parts", "findings.json"
"""The artifacts of every comparison: as it was run, its finished parts, and what it has found."""

END_MARK = "\n"
"""What a part's file ends with, and has nowhere else: one that was not written to its end is known by the lack of it."""


class MlflowComparisonTracker:
    """Plays `roles.ComparisonLedger` over an MLflow store. Made by `open` (to write) and `open_comparison` (to read).

    Args:
        client: Of the store.
        parent: The comparison's run.
        comparison: What was written down when it began.
        is_open: Whether the run says that it is running, as it is now.
    """

    def __init__(self, client: MlflowClient, parent: Run, comparison: ComparisonRecord, is_open: bool) -> None:
        self._client = client
        self._parent = parent
        self._comparison = comparison
        self._is_open = is_open

    @classmethod
    def open(cls, record: ComparisonRecord, tracking_uri: str | None = None, fresh: bool = False) -> MlflowComparisonTracker:
        """The comparison of this key goes on if the store has it, whether it was killed or finished; else it begins.

        Args:
            record: What is written down about the comparison.
            tracking_uri: Where; see `address.resolve`. A sqlite file that does not exist is made, in a few seconds.
            fresh: Begin a new comparison in any case.

        Raises:
            TrackingError: The address is none, nobody answers there, or what answers is not a store that can be used.
        """
        uri = resolve_tracking_uri(tracking_uri)
        client = connect(uri, create=True)
        with translate_errors(uri, "opening the comparison"):
            within = experiment_id(client, record.name, artifact_location(uri, record.name))
            parent = None if fresh else newest_run(client, within, "comparison", record.key)
            if parent is not None:
                return cls(client, parent, record, is_open=False)
            parent = client.create_run(within, tags=serialization.start_tags(record, "comparison"), run_name=record.name)
            client.log_text(parent.info.run_id, record.yaml, YAML)
            return cls(client, parent, record, is_open=True)

    @property
    def run_id(self) -> str:
        """The comparison's run."""
        return str(self._parent.info.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> str:
        """The store's address in full."""
        return str(self._client.tracking_uri)

    @property
    def comparison(self) -> ComparisonRecord:
        """What was written down when the comparison began."""
        return self._comparison

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result, from `findings.json`; None for a comparison that has not finished.

        Raises:
            TrackingError: The store did not answer.
        """
        if self._parent.info.status != "FINISHED":
            return None
        with translate_errors(self.tracking_uri, "reading the findings"):
            return ComparisonResult.from_json(_text(self._client, self.run_id, FINDINGS))

    def recorded_parts(self) -> dict[str, Any]:
        """The parts that are kept so far, by name.

        Raises:
            TrackingError: The store did not answer, or a part is not what was written.
        """
        with translate_errors(self.tracking_uri, "reading the comparison"), self._downloaded(PARTS) as folder:
            texts = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.json"))}
        whole = {path.with_suffix("").as_posix(): text for path, text in texts.items() if text.endswith(END_MARK)}
        try:
            return {part: json.loads(text) for part, text in whole.items()}
        except ValueError as error:
            message = f"a part of comparison {self.run_id[:8]} cannot be read ({error}): was it edited by hand?"
            raise TrackingError(message) from error

    def record_part(self, part: str, data: Any) -> None:
        """Keep a finished part as `parts/<part>.json`; of one name the last counts. A concluded comparison is open again.

        Raises:
            TrackingError: The store did not take it.
            ValueError: JSON has no word for it: NaN, for one.
        """
        text = json.dumps(data, allow_nan=False, ensure_ascii=False)
        with translate_errors(self.tracking_uri, f"keeping {part}"):
            self._reopen()
            self._client.log_text(self.run_id, text + END_MARK, f"{PARTS}/{part}.json")

    def finish(self, result: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Write every contestant as a run of its own, what was found as artifacts and figures of the comparison's; close it.

        Args:
            result: Kept as `findings.json` too.
            files: More artifacts by name. The run's page shows `comparison.md`, if it is among them.

        Raises:
            TrackingError: The store did not take it.
        """
        with translate_errors(self.tracking_uri, "concluding the comparison"):
            self._reopen()
            for run in list(search_runs(self._client, [self.experiment_id], tag_filter("comparison", self.run_id))):
                self._client.delete_run(run.info.run_id)
            for measured in result.contestants:
                self._write(measured, result)
            log_files(self._client, self.run_id, {**files, FINDINGS: result.to_json()})
            said = {"answer": "\n".join(result.conclusions), **_description(files)}
            before = self._client.get_run(self.run_id).data.tags
            log_batches(
                self._client,
                self.run_id,
                contestant_serialization.sharing_gain_metrics(result),
                tags=serialization.replace_tags(before, said),
            )
            self._client.set_terminated(self.run_id, "FINISHED")
            self._parent = self._client.get_run(self.run_id)
            self._is_open = False

    def _write(self, measured: ContestantResult, findings: ComparisonResult) -> None:
        began = now_in_milliseconds()
        run = self._client.create_run(
            self.experiment_id, began, contestant_serialization.contestant_tags(measured, self.run_id), measured.name
        )
        log_batches(
            self._client,
            run.info.run_id,
            contestant_serialization.contestant_metrics(measured, findings.differences, findings.score_metrics),
            contestant_serialization.contestant_params(measured),
        )
        ended = began + round(
            1000 * contestant_serialization.total_seconds(measured)
        )  # so that MLflow's "duration" is the contestant's
        self._client.set_terminated(run.info.run_id, "FAILED" if measured.failure else "FINISHED", ended)

    def _reopen(self) -> None:
        """A comparison that goes on is running again, and was last run as it is now."""
        if self._is_open:
            return
        self._client.update_run(self.run_id, status="RUNNING")
        log_batches(self._client, self.run_id, tags=serialization.start_tags(self._comparison, "comparison"))
        self._client.log_text(self.run_id, self._comparison.yaml, YAML)
        self._parent = self._client.get_run(self.run_id)
        self._is_open = True

    @contextmanager
    def _downloaded(self, name: str) -> Iterator[Path]:
        """A local folder with the artifacts of this folder, empty if there is none, for as long as it is open."""
        with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
            if any(artifact.path == name for artifact in self._client.list_artifacts(self.run_id)):
                self._client.download_artifacts(self.run_id, name, folder)
            yield Path(folder) / name


def open_comparison(tracking_uri: str | None, comparison: str = "") -> MlflowComparisonTracker:
    """A comparison that stands in the store, to read from it.

    Args:
        tracking_uri: The store; see `address.resolve`.
        comparison: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such comparison, or more than one.
    """

    def read_only(client: MlflowClient, parent: Run) -> MlflowComparisonTracker:
        return MlflowComparisonTracker(client, parent, _record(client, parent), is_open=False)

    return open_run(tracking_uri, "comparison", comparison, read_only)


def _record(client: MlflowClient, parent: Run) -> ComparisonRecord:
    """What was written down when the comparison began, read back."""
    return ComparisonRecord(
        name=str(parent.info.run_name),
        yaml=_text(client, parent.info.run_id, YAML),
        **serialization.record_from_tags(serialization.from_tags(parent.data.tags), "answer"),
    )


def _text(client: MlflowClient, run_id: str, name: str) -> str:
    """What stands in an artifact."""
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")


def _description(files: Mapping[str, str | bytes]) -> dict[str, str]:
    """The tag for the page of the comparison's run, if `comparison.md` is among its files."""
    text = files.get("comparison.md")
    return serialization.description_tag(text) if isinstance(text, str) else {}
