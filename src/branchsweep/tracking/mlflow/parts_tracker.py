"""Runs that are recorded part by part, `parts/<name>.json`, so that what was killed is continued from its finished parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from branchsweep.errors import reading_record
from branchsweep.runtime import temporary_folder
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import OWNER, LockOwner
from branchsweep.tracking.mlflow.run_tracker import RunTracker
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.run_records import END_MARK, PARTS


class PartsTracker(RunTracker):
    """A `RunTracker` that keeps finished parts as artifacts of its run."""

    what: ClassVar[str]
    """What it records, for messages."""

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

    def _reopen(self) -> None:
        """Mark what is resumed as running."""
        raise NotImplementedError

    @contextmanager
    def _downloaded(self, name: str) -> Iterator[Path]:
        """A local folder with the artifacts below this name, empty if there are none, for as long as the context is open."""
        with temporary_folder() as folder:
            if any(artifact.path == name for artifact in self._client.list_artifacts(self.run_id)):
                self._client.download_artifacts(self.run_id, name, str(folder))
            yield folder / name


def owner_tags() -> dict[str, str]:
    """The tag that names this process, by which others see whether what it records was interrupted."""
    return {tag_name(OWNER): LockOwner.this_process().tags[tag_name(OWNER)]}
