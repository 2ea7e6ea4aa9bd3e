"""Comparisons in MLflow: one run per comparison, its finished parts as artifacts, and in the end a run per contestant.

A comparison is distinguished from a sweep by the tag `branchsweep.role`, so both may have one name and be in one experiment.
Until it is finished, it has its **parts**, `parts/<name>.json`; a killed comparison is continued from them, found by its key.
Its contestants are written when it finishes, all anew: those of an earlier end, or a part of them, are deleted first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.errors import FilesRefusedError, reading_record
from branchsweep.metrics.comparison_conclusions import headline
from branchsweep.metrics.comparison_result import ComparisonResult, ContestantResult
from branchsweep.runtime import temporary_folder
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.parts_tracker import PartsTracker
from branchsweep.tracking.mlflow.serialization import contestants
from branchsweep.tracking.mlflow.serialization.records import record_from_tags, start_tags
from branchsweep.tracking.mlflow.serialization.tags import description_tag, from_tags, naming_record, replace_tags
from branchsweep.tracking.mlflow.serialization.titles import name_in
from branchsweep.tracking.mlflow.store import (
    log_batches,
    log_files,
    now_in_milliseconds,
    open_run,
    search_runs,
    tag_filter,
)
from branchsweep.tracking.mlflow.ui_views import ContestantsView
from branchsweep.tracking.run_records import SWEEP_REMEDY
from branchsweep.tracking.ui_pages import charts_page, file_page, view_page

YAML, FINDINGS = "comparison.yaml", "findings.json"
"""The artifacts of a comparison: its YAML and its result, beside its finished parts."""

REPORT = "report.html"
"""The page among the files that a comparison finishes with."""


class MlflowComparisonTracker(PartsTracker[ComparisonRecord]):
    """A `ComparisonTracker` in MLflow. Made by `open` (to write) and `open_comparison` (to read)."""

    what = "comparison"
    role = "comparison"

    @property
    def comparison(self) -> ComparisonRecord:
        """What is written down about the comparison."""
        return self._record

    @property
    def conclusion(self) -> ComparisonResult | None:
        """The result, from `findings.json`; None for a comparison that has not finished.

        Raises:
            TrackingError: The store did not answer.
        """
        if self._parent.info.status != "FINISHED":
            return None
        with translate_errors(self.tracking_uri, "reading the result"):
            text = _text(self._client, self.run_id, FINDINGS)
        with reading_record(f"{FINDINGS} of comparison {self.run_id[:8]}", "Run it again (--fresh)"):
            return ComparisonResult.from_json(text)

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep files as artifacts of the comparison's run.

        Raises:
            FilesRefusedError: The store refused them.
        """
        with translate_errors(self.tracking_uri, "keeping the files of the comparison", FilesRefusedError):
            log_files(self._client, self.run_id, files)

    def finish(self, result: ComparisonResult, files: Mapping[str, str | bytes]) -> None:
        """Record every contestant as a run, the result as artifacts and metrics of the comparison's run, and finish it.

        Args:
            result: Kept as `findings.json` too.
            files: Further artifacts by name. `comparison.md` is also the description on the run's page.

        Raises:
            TrackingError: The store refused it.
        """
        with translate_errors(self.tracking_uri, "finishing the comparison"):
            self._reopen()
            for run in list(search_runs(self._client, [self.experiment_id], tag_filter("comparison", self.run_id))):
                self._client.delete_run(run.info.run_id)
            for measured in result.contestants:
                self._write(measured, result)
            log_files(self._client, self.run_id, {**files, FINDINGS: result.to_json()})
            before = self._client.get_run(self.run_id).data.tags
            pages = {
                "contestants, best first": view_page(self.experiment_id, self.run_id),
                "charts": charts_page(self.experiment_id, self.run_id),
                **({"report": file_page(self.experiment_id, self.run_id, REPORT)} if REPORT in files else {}),
            }
            answer = {"answer": "\n".join(result.conclusions), **contestants.result_texts(result)}
            tags = replace_tags(before, {**answer, **_description(files.get("comparison.md", ""), pages)})
            log_batches(self._client, self.run_id, contestants.sharing_gain_metrics(result), tags=tags)
            self._end(headline(result))

    def _write(self, measured: ContestantResult, result: ComparisonResult) -> None:
        started = now_in_milliseconds()
        tags = contestants.contestant_tags(measured, self.run_id, result.differences)
        run = self._client.create_run(self.experiment_id, started, tags, measured.name)
        metrics = contestants.contestant_metrics(measured, result.differences, result.score_metrics)
        log_batches(self._client, run.info.run_id, metrics, contestants.contestant_params(measured, result.differences))
        if self._inputs:
            self._client.log_inputs(run.info.run_id, self._inputs)
        seconds = contestants.total_seconds(measured)
        ended = started + round(1000 * seconds)  # so that the duration in MLflow is the contestant's
        self._client.set_terminated(run.info.run_id, "FAILED" if measured.failure else "FINISHED", ended)

    def _log_setup(self) -> None:
        """Log the YAML, the table, the view of the contestants, and the description of the experiment."""
        self._client.log_text(self.run_id, self._record.yaml, YAML)
        self._log_pages("comparison", ContestantsView(self._record.score_metrics))

    @classmethod
    def _start_tags(cls, record: ComparisonRecord) -> dict[str, str]:
        return start_tags(record, "comparison", halves_digest=record.halves_digest)


def open_comparison(tracking_uri: Address | None, comparison: str = "") -> MlflowComparisonTracker:
    """A recorded comparison, to read from it.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        comparison: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        TrackingError: There is no such comparison, or more than one.
    """

    def read(client: MlflowClient, parent: Run) -> MlflowComparisonTracker:
        return MlflowComparisonTracker(client, parent, _record(client, parent), is_running=False)

    return open_run(tracking_uri, "comparison", comparison, read)


def _record(client: MlflowClient, parent: Run) -> ComparisonRecord:
    """What is written down about a recorded comparison."""
    run_id, tags = parent.info.run_id, from_tags(parent.data.tags)
    name = name_in(str(parent.info.run_name), parent.data.tags)
    with naming_record(f"comparison {name} (run {run_id[:8]})", SWEEP_REMEDY):
        fields = record_from_tags(tags)
    yaml = _text(client, run_id, YAML)
    return ComparisonRecord(name=name, yaml=yaml, halves_digest=tags.get("halves_digest", ""), **fields)


def _text(client: MlflowClient, run_id: str, name: str) -> str:
    """The text of an artifact."""
    with temporary_folder() as folder:
        path = Path(client.download_artifacts(run_id, name, str(folder)))
        with reading_record(f"{name} of comparison {run_id[:8]}"):
            return path.read_text(encoding="utf-8")


def _description(text: str | bytes, pages: Mapping[str, str]) -> dict[str, str]:
    """The tag for the page of the comparison's run: `comparison.md` without its title, and links after the conclusions.

    Args:
        text: The file; empty if there is none.
        pages: Links by their text.
    """
    if not isinstance(text, str) or not text:
        return {}
    paragraphs = text.split("\n\n")
    body = paragraphs[1:] if paragraphs[0].startswith("# ") and len(paragraphs) > 1 else paragraphs
    links = " · ".join(f"[{name}]({page})" for name, page in pages.items())
    return description_tag("\n\n".join([*body[:1], links, *body[1:]]))
