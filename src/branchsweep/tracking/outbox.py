"""Results on their way to a server that may be unavailable: they are on disk from the call of `keep` until the server has them.

A file holds the results of one call, and its name is the order of the calls. A file is written under another name and moved,
so that a killed process leaves it whole or not at all, and it is deleted when the server has taken its results: after a kill,
the files that are left are what is to be delivered. Nothing is flushed to the disk: a kill loses nothing, a power failure
perhaps the last results, which are trained again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from branchsweep.config.codec import from_data, to_json
from branchsweep.config.metric_names import METRICS_BESIDE, R2
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import STANDARD_ERROR
from branchsweep.tracking.mlflow.serialization.trials import LANE_SCORES_TAG
from branchsweep.trial import Result

SUFFIX = ".json"
"""Suffix of complete files."""


class Outbox:
    """The folder of one sweep, for one process at a time. It exists only while there is something in it.

    Args:
        folder: Of the sweep; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next: int | None = None  # the number of the next file; None: to be read from the folder

    def keep(self, results: Sequence[Result]) -> Path:
        """Write results to disk; returns their file.

        Raises:
            TrackingError: The file could not be written.
        """
        number = self._next_number()
        file = self.folder / f"{number:08d}{SUFFIX}"
        draft = file.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(to_json(list(results), list[Result]), encoding="utf-8")
            draft.replace(file)
        except OSError as error:
            message = f"{file} cannot be written ({error}): make room, or name another folder in BRANCHSWEEP_CACHE"
            raise TrackingError(message) from error
        self._next = number + 1
        return file

    def found(self) -> list[tuple[Path, list[Result]]]:
        """The files that an earlier process has left, with their results, in order.

        Raises:
            TrackingError: A file holds no results.
        """
        return [(file, _read(file)) for file in self._files()]

    def drop(self, files: Sequence[Path]) -> None:
        """Delete files whose results the server has taken."""
        for file in files:
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder if it is empty."""
        with suppress(OSError):  # not empty, or never created
            self.folder.rmdir()

    def _next_number(self) -> int:
        if self._next is None:
            self._next = max((int(file.stem) for file in self._files()), default=-1) + 1
        return self._next

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.glob(f"*{SUFFIX}") if file.stem.isdecimal())


def _read(file: Path) -> list[Result]:
    try:
        data = [_current(result) for result in json.loads(file.read_text(encoding="utf-8"))]
        return from_data(list[Result], data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{file} cannot be read as results ({error!r}): delete it, and its trials are trained again"
        raise TrackingError(message) from error


def _current(result: dict[str, Any]) -> dict[str, Any]:
    """The data of a result in the form of this version.

    An earlier version had R², its standard error and the other metrics as fields of a head's score, and another name for the
    scores of lanes.
    """
    score = dict(result["score"])
    if LANE_SCORES_TAG in score:
        score["lane_scores"] = score.pop(LANE_SCORES_TAG)
    score["heads"] = {head: _current_head_score(measured) for head, measured in score["heads"].items()}
    return {**result, "score": score}


def _current_head_score(measured: dict[str, Any]) -> dict[str, Any]:
    if "metrics" in measured:
        return measured
    metrics = {metric: measured[metric] for metric in (R2, *METRICS_BESIDE[R2])}
    return {"score": metrics[R2], "score_se": measured[STANDARD_ERROR.format(R2)], "metrics": metrics}
