"""The wall time of a command by its stages, from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import accumulate
from typing import Literal

Stage = Literal[
    "start", "table", "store", "search", "confirmation", "baselines", "ensemble", "refit", "test", "registration", "report"
]
"""What a sweep does, in order. `start` is the time until the table is read, in which libraries are imported and workers start;
in `store` the store is opened. `report` ends when the result is recorded; the processes end within a second or two."""


class Stages:
    """How long each stage took, and the present one so far.

    Args:
        began: When the first stage began, as a value of `time.perf_counter`; now if None.
        first: The first stage.
    """

    def __init__(self, began: float | None = None, first: Stage = "start") -> None:
        self._stage: Stage = first
        self._since = time.perf_counter() if began is None else began
        self._finished: dict[str, float] = {}

    def begin(self, stage: Stage) -> None:
        """The present stage is over, and this one begins; one that was before goes on."""
        now = time.perf_counter()
        self._finished[self._stage] = self._finished.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in order of their beginnings. Their sum is the time since the start."""
        running = self._finished.get(self._stage, 0.0) + time.perf_counter() - self._since
        return {**self._finished, self._stage: running}


def rounded_stages(seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds by stage with one decimal; rounded so that their sum is the rounded sum."""
    ends = [round(end, 1) for end in accumulate(seconds.values())]
    return {name: round(end - before, 1) for name, before, end in zip(seconds, [0.0, *ends], ends, strict=False)}
