"""Progress of a sweep on standard error: a live panel in a terminal, plain lines elsewhere.

The panel is redrawn four times a second by a thread, from what the callbacks have reported, and removed at the end; messages
and the final summary stay on the screen.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from branchsweep.config.experiment import Experiment
from branchsweep.reporting.progress_state import BAR, PhaseProgress, SearchProgress, format_clock, number_range
from branchsweep.training.protocols import WorkerStatus
from branchsweep.trial import Result, Status
from branchsweep.workflows.progress import ProgressStatus

PLAIN_SECONDS = 10.0
"""Seconds between lines where there is no terminal."""

SPEED_WINDOW_SECONDS = 30.0
"""Seconds over which the speed is measured: compilation is slow at first, and stages differ in speed."""

REFRESHES = 4
"""Redraws of the panel per second."""

WIDEST = 110
"""Maximum width of the panel in columns, for readability."""


class LiveDisplay(Protocol):
    """Shows the panel until it is stopped, again and again."""

    def start(self) -> None:
        """Show it from now on."""
        ...

    def stop(self) -> None:
        """Remove it."""
        ...


class Terminal:
    """A `ProgressCallback` that shows progress on a console; a context manager that removes the panel at the end.

    Args:
        console: Where to write.
        open_display: Makes what shows the panel, given a function that renders it; the console itself if None.
    """

    def __init__(
        self, console: Console, open_display: Callable[[Callable[[], RenderableType]], LiveDisplay] | None = None
    ) -> None:
        self._console = console
        self._is_live = open_display is not None or (console.is_terminal and not console.is_dumb_terminal)
        self._lock = threading.RLock()  # guards the state that the drawing thread reads; never held while printing
        self._experiment: Experiment | None = None
        self._search = SearchProgress()
        self._is_searching = False
        self._activity = "starting"
        self._phase = PhaseProgress()
        self._workers = WorkerStatus()
        self._trained = self._planned = 0.0
        self._started = self._last_line = self._search_started = time.monotonic()
        self._busy, self._busy_since = 0.0, math.nan
        self._measurements: deque[tuple[float, float]] = deque([(0.0, 0.0)])  # busy seconds, lane-epochs trained by then
        self._spinner = Spinner("dots")
        self._live: LiveDisplay = (
            open_display(self.panel)
            if open_display
            else Live(get_renderable=self.panel, console=console, refresh_per_second=REFRESHES, transient=True)
        )

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_live:
            self._live.stop()

    def on_search_begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """Show the search, which resumes after the recorded results if there are any."""
        with self._lock:
            self._experiment, self._is_searching, self._search_started = experiment, True, time.monotonic()
            self._search = SearchProgress.resumed(experiment, recorded)
        if recorded:
            total = experiment.search.trials
            self.on_message(f"resuming a sweep: {len(recorded)} of {total} trials are recorded")

    def on_round_begin(self, trials: int) -> None:
        """Count a round of so many trials as under way."""
        with self._lock:
            self._search.begin_round(trials)

    def on_training_planned(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """Add lane-epochs to the plan."""
        with self._lock:
            self._busy_since = time.monotonic() if math.isnan(self._busy_since) else self._busy_since
            self._planned += lane_epochs
            self._activity = f"training {what}"
            self._phase = self._phase.followed_by(lane_epochs)
            self._search.plan_phase(turn)
        if not self._is_live:
            self.on_message(f"training {what}")

    def on_trained(self, lane_epochs: float) -> None:
        """Add lane-epochs to what has been trained."""
        with self._lock:
            self._trained += lane_epochs
            self._phase.trained += lane_epochs
            self._measurements.append((self._busy_seconds, self._trained))
            while len(self._measurements) > 2 and self._busy_seconds - self._measurements[1][0] > SPEED_WINDOW_SECONDS:
                self._measurements.popleft()
        if not self._is_live and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self.on_message(", ".join(filter(None, [self._trial_count(), *self._facts()])))

    def on_worker_status(self, status: WorkerStatus) -> None:
        """Show how many workers train."""
        with self._lock:
            self._workers = status

    def on_trial_end(self, result: Result) -> None:
        """Count a finished trial; report it if it failed."""
        with self._lock:
            self._search.add(result)
        if result.score.status is Status.FAILED:
            self.on_message(f"trial {result.trial.number} failed: {result.score.reason}")

    def on_stage(self, sentence: str) -> None:
        """Show that the previous stage has ended, and which one follows."""
        with self._lock:
            self._busy, self._busy_since = self._busy_seconds, math.nan
            self._is_searching, self._activity, self._phase = False, sentence, PhaseProgress()
        if not self._is_live:
            self.on_message(sentence)

    def on_message(self, sentence: str) -> None:
        """Print a message."""
        self._last_line = time.monotonic()
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def status(self) -> ProgressStatus:
        """The progress at present, for the record of the sweep."""
        with self._lock:
            elapsed = time.monotonic() - self._started
            return ProgressStatus(
                activity=self._activity,
                elapsed=elapsed,
                seconds_left=self._seconds_left(),
                workers=self._workers.workers,
                training=self._workers.training,
                waiting=self._workers.waiting,
                nodes=self._workers.nodes,
            )

    def panel(self) -> RenderableType:
        """The panel as it is now."""
        with self._lock:
            rows = Table.grid(padding=(0, 2), expand=True)
            rows.add_column(style="dim", no_wrap=True)
            rows.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
            if self._experiment and self._experiment.question:
                rows.add_row("question", Text(self._experiment.question, style="italic"))
            if self._is_searching:
                rows.add_row("trials", self._bar(self._search.share, self._trial_count(), self._times()))
                rows.add_row("round", self._round())
            else:
                rows.add_row("now", self._now())
                times = self._times() if self._phase.planned else f"{format_clock(time.monotonic() - self._started)} elapsed"
                share = self._phase.share if self._phase.planned else None
                rows.add_row("", self._bar(share, "" if share is None else f"{share:.0%}", times))
            for name, cell in self._search.rows():
                rows.add_row(name, cell)
            if self._trained and self._phase.planned:
                rows.add_row("speed", f"{self._speed:,.0f} network-epochs/s")
            if self._workers.workers and self._phase.planned:
                rows.add_row("workers", str(self._workers))
            name = self._experiment.name if self._experiment else "branchsweep"
            if self._experiment and self._experiment.test.fold:
                name = f"{name} of {self._experiment.test.folds}"
            width = min(self._console.width, WIDEST)
            return Panel(rows, title=Text(name, style="bold"), title_align="left", width=width, border_style="dim")

    def _bar(self, share: float | None, count: str, times: str) -> Table:
        """A progress bar with a count and times; a pulsing bar if the share is unknown (None)."""
        table = Table.grid(padding=(0, 2))
        total = None if share is None else 1.0
        bar = ProgressBar(total=total, completed=share or 0.0, width=min(BAR, self._console.width // 3), pulse=total is None)
        table.add_row(bar, Text(count, style="bold"), Text(times))
        return table

    def _round(self) -> Text:
        count, under_way = self._search.rounds, self._search.under_way
        numbers = f"{number_range(under_way)} of {count}: " if count > 1 else ""
        share = f", {self._phase.share:.0%}" if self._phase.planned and len(under_way) < 2 else ""
        return Text(f"{numbers}{self._activity}{share}")

    def _now(self) -> RenderableType:
        self._spinner.update(text=Text(self._activity, no_wrap=True, overflow="ellipsis"))
        return self._spinner

    def _times(self) -> str:
        """Elapsed time, and an estimate of the remaining time."""
        elapsed = time.monotonic() - self._started
        left = self._seconds_left()
        return f"{format_clock(elapsed)} elapsed" + ("" if left is None else f", about {format_clock(left)} left")

    def _seconds_left(self) -> float | None:
        """Estimated seconds for what is planned, in a search including the rounds to come; None while there is no speed yet."""
        if not self._trained or not self._phase.planned:
            return None
        left = self._phase.left + (self._search.to_come if self._is_searching else 0.0)
        budget = self._experiment.search.seconds if self._experiment and self._is_searching else None
        searched = time.monotonic() - self._search_started
        return min(left / self._speed, max(0.0, budget - searched)) if budget else left / self._speed

    @property
    def _speed(self) -> float:
        """Lane-epochs per second in the last `SPEED_WINDOW_SECONDS` of planned training, compilation and sampling included."""
        seconds, trained = self._measurements[0]
        return (self._trained - trained) / max(1e-9, self._busy_seconds - seconds)

    @property
    def _busy_seconds(self) -> float:
        return self._busy + (0.0 if math.isnan(self._busy_since) else time.monotonic() - self._busy_since)

    def _trial_count(self) -> str:
        return f"{len(self._search.results)}/{self._search.total} trials" if self._search.total else ""

    def _facts(self) -> list[str]:
        """Parts of a plain line: the best trial, pruned and failed trials, progress and speed, the workers of a cluster."""
        parts: list[str] = []
        best = self._search.best
        if best:
            heads = "  ".join(f"{head} {score:.4f}" for head, score in best.score.by_head.items())
            parts.append(f"best {self._search.score_label} {heads} (trial {best.trial.number})")
        counts = self._search.counts
        parts += [f"{counts[status]} {status.lower()}" for status in (Status.PRUNED, Status.FAILED) if counts[status]]
        if self._trained and self._planned:
            parts.append(f"{self._trained / self._planned:.0%} of the planned epochs, {self._speed:,.0f} network-epochs/s")
        if self._workers.nodes:
            parts.append(str(self._workers))
        return parts
