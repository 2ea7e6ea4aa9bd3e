"""What a person sees while a sweep runs, on standard error: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from branchsweep.experiment import Experiment
from branchsweep.objective import judge
from branchsweep.trial import Result, Status

PLAIN_SECONDS = 10.0
"""How often a line is written where there is no terminal."""


class Terminal:
    """Plays `roles.Watch`; a context manager, which leaves the screen tidy.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._experiment: Experiment | None = None
        self._leader: Result | None = None
        self._results: list[Result] = []
        self._total = 0
        self._planned = self._trained = 0.0
        self._began = self._last_line = time.monotonic()
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task("starting", total=None, facts="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """The search begins, or goes on after these results."""
        self._experiment, self._results = experiment, list(recorded)
        self._total = total = experiment.search.trials
        self._find_leader()
        if recorded:
            self.say(f"going on with a sweep that has {len(recorded)} of {total} trials recorded")

    def plan(self, lane_epochs: float, what: str) -> None:
        """So much is about to be trained."""
        self._planned += lane_epochs
        if not self._console.is_terminal:
            self.say(f"training {what}")
        self._show()

    def trained(self, lane_epochs: float) -> None:
        """So much more has been trained."""
        self._trained += lane_epochs
        self._show()
        if not self._console.is_terminal and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self.say(f"{len(self._results)}/{self._total} trials, {self._facts()}")

    def answered(self, result: Result) -> None:
        """A trial has its score."""
        self._results.append(result)
        self._find_leader()
        if result.score.status is Status.FAILED:
            self.say(f"trial {result.trial.number} failed: {result.score.reason}")
        self._show()

    def say(self, sentence: str) -> None:
        """Something worth a line."""
        self._last_line = time.monotonic()
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def _find_leader(self) -> None:
        if self._experiment:
            self._leader = judge(self._experiment.objective, self._results).best(self._results)

    def _show(self) -> None:
        self._progress.update(
            self._task,
            description=f"{len(self._results)}/{self._total} trials",
            total=self._total or None,
            completed=len(self._results),
            facts=self._facts(),
        )

    def _facts(self) -> str:
        """The sweep so far: the best heads, how trials ended that are not complete, speed."""
        parts: list[str] = []
        if self._leader:
            heads = "  ".join(f"{head} {score.r2:.4f}" for head, score in self._leader.score.heads.items())
            parts.append(f"best R² {heads} (trial {self._leader.trial.number})")
        counts = Counter(result.score.status for result in self._results)
        parts += [f"{counts[status]} {status.lower()}" for status in (Status.PRUNED, Status.FAILED) if counts[status]]
        if self._trained:
            speed = self._trained / (time.monotonic() - self._began)
            parts.append(f"{self._trained / self._planned:.0%} of what was asked, {speed:,.0f} lane-epochs/s")
        return ", ".join(parts)


class Download:
    """A bar for a download; plays the data reader's progress. Made at the first byte, so that nothing shows without one."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("downloading the table"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __call__(self, received: int, total: int) -> None:
        """So many bytes have come, of so many (0: unknown)."""
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=total or None)
        self._progress.update(self._task, completed=received)

    def close(self) -> None:
        """Takes the bar away, if there was one."""
        if self._task is not None:
            self._progress.stop()
