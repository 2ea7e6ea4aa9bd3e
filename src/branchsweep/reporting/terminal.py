"""What a person sees while a sweep runs, on standard error: a live panel in a terminal, plain lines elsewhere.

The panel is drawn four times a second from what the flows have told, whatever they tell meanwhile, and is gone at the end: what
stays on the screen are the lines that somebody said and the summary.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from branchsweep.config.experiment import Experiment
from branchsweep.reporting.progress_state import BAR, PhaseProgress, SearchProgress, format_clock, trial_range
from branchsweep.training.protocols import WorkerStatus
from branchsweep.trial import Result, Status

PLAIN_SECONDS = 10.0
"""How often a line is written where there is no terminal."""

LATELY_SECONDS = 30.0
"""Over how long the speed is measured: programs are compiled in the beginning, and stages are not equally fast."""

REFRESHES = 4
"""How often a second the panel is drawn."""

WIDEST = 110
"""Columns of the panel, at most: eyes do not travel further."""


class Terminal:
    """Plays `roles.ProgressCallback`; a context manager, which leaves the screen tidy.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        self._telling = threading.RLock()  # the panel is drawn by a thread of its own; nothing is printed while it is held
        self._experiment: Experiment | None = None
        self._search = SearchProgress()
        self._is_searching = False
        self._words = "starting"
        self._leg = PhaseProgress()
        self._crew = WorkerStatus()
        self._trained = self._planned = 0.0
        self._began = self._last_line = time.monotonic()
        self._busy, self._busy_since = 0.0, math.nan
        self._marks: deque[tuple[float, float]] = deque([(0.0, 0.0)])  # busy seconds, lane-epochs trained by then
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self.panel,
            console=console,
            refresh_per_second=REFRESHES,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_live:
            self._live.stop()

    def on_search_begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """The search begins, or goes on after these results."""
        with self._telling:
            self._experiment, self._is_searching = experiment, True
            self._search = SearchProgress(experiment, recorded)
        if recorded:
            total = experiment.search.trials
            self.on_message(f"going on with a sweep that has {len(recorded)} of {total} trials recorded")

    def on_round_begin(self, trials: int) -> None:
        """A round of so many trials begins."""
        with self._telling:
            self._search.asked(trials)

    def on_training_planned(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """So much is about to be trained."""
        with self._telling:
            self._busy_since = time.monotonic() if math.isnan(self._busy_since) else self._busy_since
            self._planned += lane_epochs
            self._words = f"training {what}"
            self._leg = self._leg.followed_by(lane_epochs)
            self._search.planned(turn)
        if not self._is_live:
            self.on_message(f"training {what}")

    def on_trained(self, lane_epochs: float) -> None:
        """So much more has been trained."""
        with self._telling:
            self._trained += lane_epochs
            self._leg.trained += lane_epochs
            self._marks.append((self._busy_seconds, self._trained))
            while len(self._marks) > 2 and self._busy_seconds - self._marks[1][0] > LATELY_SECONDS:
                self._marks.popleft()
        if not self._is_live and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self.on_message(", ".join(filter(None, [self._counted(), *self._facts()])))

    def on_worker_status(self, status: WorkerStatus) -> None:
        """Who trains."""
        with self._telling:
            self._crew = status

    def on_trial_end(self, result: Result) -> None:
        """A trial has its score."""
        with self._telling:
            self._search.add(result)
        if result.score.status is Status.FAILED:
            self.on_message(f"trial {result.trial.number} failed: {result.score.reason}")

    def on_stage(self, sentence: str) -> None:
        """The search, or what else was going on, is over, and this is what comes now."""
        with self._telling:
            self._busy, self._busy_since = self._busy_seconds, math.nan
            self._is_searching, self._words, self._leg = False, sentence, PhaseProgress()
        if not self._is_live:
            self.on_message(sentence)

    def on_message(self, sentence: str) -> None:
        """Something worth a line."""
        self._last_line = time.monotonic()
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def panel(self) -> RenderableType:
        """All there is to see at the moment."""
        with self._telling:
            rows = Table.grid(padding=(0, 2), expand=True)
            rows.add_column(style="dim", no_wrap=True)
            rows.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
            if self._experiment and self._experiment.question:
                rows.add_row("question", Text(self._experiment.question, style="italic"))
            if self._is_searching:
                rows.add_row("trials", self._bar(self._search.share, self._counted(), self._clocks()))
                rows.add_row("round", self._round())
            else:
                rows.add_row("now", self._now())
                clocks = self._clocks() if self._leg.planned else f"{format_clock(time.monotonic() - self._began)} gone"
                share = self._leg.share if self._leg.planned else None
                rows.add_row("", self._bar(share, "" if share is None else f"{share:.0%}", clocks))
            for name, cell in self._search.rows():
                rows.add_row(name, cell)
            if self._trained and self._leg.planned:
                rows.add_row("speed", f"{self._speed:,.0f} lane-epochs/s")
            if self._crew.workers and self._leg.planned:
                rows.add_row("workers", str(self._crew))
            name = self._experiment.name if self._experiment else "branchsweep"
            width = min(self._console.width, WIDEST)
            return Panel(rows, title=Text(name, style="bold"), title_align="left", width=width, border_style="dim")

    def _bar(self, share: float | None, counted: str, clocks: str) -> Table:
        """How far things are; without a share, that they are under way."""
        table = Table.grid(padding=(0, 2))
        total = None if share is None else 1.0
        bar = ProgressBar(total=total, completed=share or 0.0, width=min(BAR, self._console.width // 3), pulse=total is None)
        table.add_row(bar, Text(counted, style="bold"), Text(clocks))
        return table

    def _round(self) -> Text:
        count, under_way = self._search.rounds, self._search.under_way
        place = f"{trial_range(under_way)} of {count}: " if count > 1 else ""
        share = f", {self._leg.share:.0%}" if self._leg.planned and len(under_way) < 2 else ""
        return Text(f"{place}{self._words}{share}")

    def _now(self) -> RenderableType:
        self._spinner.update(text=Text(self._words, no_wrap=True, overflow="ellipsis"))
        return self._spinner

    def _clocks(self) -> str:
        """How long it has taken, and about how long it will."""
        gone = time.monotonic() - self._began
        left = self._seconds_left(gone)
        return f"{format_clock(gone)} gone" + ("" if left is None else f", about {format_clock(left)} left")

    def _seconds_left(self, gone: float) -> float | None:
        """Of what is planned, and in a search of the rounds to come as well; None while nothing is known."""
        if not self._trained or not self._leg.planned:
            return None
        left = self._leg.left + (self._search.to_come if self._is_searching else 0.0)
        budget = self._experiment.search.seconds if self._experiment and self._is_searching else None
        return min(left / self._speed, max(0.0, budget - gone)) if budget else left / self._speed

    @property
    def _speed(self) -> float:
        """Lane-epochs a second lately, while something was to be trained: compiling and asking count, too."""
        since, before = self._marks[0]
        return (self._trained - before) / max(1e-9, self._busy_seconds - since)

    @property
    def _busy_seconds(self) -> float:
        return self._busy + (0.0 if math.isnan(self._busy_since) else time.monotonic() - self._busy_since)

    def _counted(self) -> str:
        return f"{len(self._search.results)}/{self._search.total} trials" if self._search.total else ""

    def _facts(self) -> list[str]:
        """The sweep so far, for a plain line: the best, how trials ended that are not complete, speed, a cluster's workers."""
        parts: list[str] = []
        leader = self._search.leader
        if leader:
            heads = "  ".join(f"{head} {score.r2:.4f}" for head, score in leader.score.heads.items())
            parts.append(f"best R² {heads} (trial {leader.trial.number})")
        counts = self._search.counts
        parts += [f"{counts[status]} {status.lower()}" for status in (Status.PRUNED, Status.FAILED) if counts[status]]
        if self._trained and self._planned:
            parts.append(f"{self._trained / self._planned:.0%} of what was asked, {self._speed:,.0f} lane-epochs/s")
        if self._crew.nodes:
            parts.append(str(self._crew))
        return parts
