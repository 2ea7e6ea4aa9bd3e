"""Results on their way to a server that may be away: they lie on disk from the moment they are handed over until it has them.

One file holds what was handed over at once, its name the order. A file is written elsewhere and moved, so that a killed process
leaves it whole or not at all, and is deleted when the server has taken what is in it: after a kill, what is left is what to
deliver. Nothing is flushed to the platter: a kill loses nothing, a power cut perhaps the last of it, which is trained again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from branchsweep.config.metric_names import R2
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import METRICS, STANDARD_ERROR
from branchsweep.tracking.mlflow.serialization import LANE_SCORES_TAG
from branchsweep.trial import HeadScore, Result, Score, Status, Trial

END = ".json"
"""What the names of finished files end in."""


class Outbox:
    """The folder of one sweep, for one process at a time. It is there only while something lies in it.

    Args:
        folder: Of the sweep; need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = max((int(file.stem) for file in self._files()), default=-1) + 1

    def keep(self, results: Sequence[Result]) -> Path:
        """Have these on disk; returns their file.

        Raises:
            TrackingError: It could not be written.
        """
        file = self.folder / f"{self._next:08d}{END}"
        draft = file.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(dumps(results), encoding="utf-8")
            draft.replace(file)
        except OSError as error:
            message = f"{file} cannot be written ({error}): make room, or name another folder in BRANCHSWEEP_CACHE"
            raise TrackingError(message) from error
        self._next += 1
        return file

    def found(self) -> list[tuple[Path, list[Result]]]:
        """What an earlier process has left, in order.

        Raises:
            TrackingError: A file is none of ours.
        """
        return [(file, loads(file)) for file in self._files()]

    def drop(self, files: Sequence[Path]) -> None:
        """The server has taken what is in these."""
        for file in files:
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave no empty folder behind."""
        with suppress(OSError):  # not empty, or never made
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.glob(f"*{END}") if file.stem.isdecimal())


def dumps(results: Sequence[Result]) -> str:
    """Results as JSON, to the last digit, curves included; with NaN and Infinity, as Python spells them."""
    return json.dumps([asdict(result) for result in results], separators=(",", ":"))


def loads(file: Path) -> list[Result]:
    """What `dumps` made of the results in a file.

    Raises:
        TrackingError: It cannot be read.
    """
    try:
        return [_result(**said) for said in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{file} cannot be read as results ({error!r}): delete it, and its trials are trained again"
        raise TrackingError(message) from error


def _result(trial: dict[str, Any], score: dict[str, Any]) -> Result:
    read = {
        "status": Status(score["status"]),
        "heads": {head: _head_score(measured) for head, measured in score["heads"].items()},
        "curves": {head: tuple(curve) for head, curve in score["curves"].items()},
        "rungs": {int(epoch): tuple(scores) for epoch, scores in score["rungs"].items()},
        "lane_scores": {
            head: tuple(scores) for head, scores in (score.get("lane_scores") or score.get(LANE_SCORES_TAG, {})).items()
        },
    }
    kept = {name: value for name, value in score.items() if name != LANE_SCORES_TAG}
    return Result(Trial(**trial), Score(**{**kept, **read}))


def _head_score(measured: dict[str, Any]) -> HeadScore:
    """Of this version; or of an earlier one, whose fields were R², its standard error and the other metrics."""
    if "metrics" in measured:
        return HeadScore(**measured)
    metrics = {metric: measured[metric] for metric in METRICS}
    return HeadScore(metrics[R2], measured[STANDARD_ERROR.format(R2)], metrics)
