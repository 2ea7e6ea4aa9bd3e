"""What a person sees while a sweep runs, on standard error: a live panel in a terminal, plain lines elsewhere.

The panel is drawn four times a second from what the flows have told, whatever they tell meanwhile, and is gone at the end: what
stays on the screen are the lines that somebody said and the summary.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from branchsweep import halving
from branchsweep.experiment import MEAN, Experiment
from branchsweep.objective import Standing
from branchsweep.report import curves
from branchsweep.roles import Crew
from branchsweep.trial import Result, Status

PLAIN_SECONDS = 10.0
"""How often a line is written where there is no terminal."""

LATELY_SECONDS = 30.0
"""Over how long the speed is measured: programs are compiled in the beginning, and stages are not equally fast."""

REFRESHES = 4
"""How often a second the panel is drawn."""

WIDEST = 110
"""Columns of the panel, at most: eyes do not travel further."""

BAR = 40
"""Columns of a bar, at most, and of the curve."""


class Terminal:
    """Plays `roles.Watch`; a context manager, which leaves the screen tidy.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        self._telling = threading.RLock()  # the panel is drawn by a thread of its own; nothing is printed while it is held
        self._experiment: Experiment | None = None
        self._search = _Search()
        self._is_searching = False
        self._words = "starting"
        self._leg = _Leg()
        self._crew = Crew()
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

    def begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """The search begins, or goes on after these results."""
        with self._telling:
            self._experiment, self._is_searching = experiment, True
            self._search = _Search(experiment, recorded)
        if recorded:
            total = experiment.search.trials
            self.say(f"going on with a sweep that has {len(recorded)} of {total} trials recorded")

    def asked(self, trials: int) -> None:
        """A round of so many trials begins."""
        with self._telling:
            self._search.asked(trials)

    def plan(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """So much is about to be trained."""
        with self._telling:
            self._busy_since = time.monotonic() if math.isnan(self._busy_since) else self._busy_since
            self._planned += lane_epochs
            self._words = f"training {what}"
            self._leg = self._leg.followed_by(lane_epochs)
            self._search.planned(turn)
        if not self._is_live:
            self.say(f"training {what}")

    def trained(self, lane_epochs: float) -> None:
        """So much more has been trained."""
        with self._telling:
            self._trained += lane_epochs
            self._leg.trained += lane_epochs
            self._marks.append((self._busy_seconds, self._trained))
            while len(self._marks) > 2 and self._busy_seconds - self._marks[1][0] > LATELY_SECONDS:
                self._marks.popleft()
        if not self._is_live and time.monotonic() - self._last_line > PLAIN_SECONDS:
            self.say(", ".join(filter(None, [self._counted(), *self._facts()])))

    def crew(self, crew: Crew) -> None:
        """Who trains."""
        with self._telling:
            self._crew = crew

    def answered(self, result: Result) -> None:
        """A trial has its score."""
        with self._telling:
            self._search.add(result)
        if result.score.status is Status.FAILED:
            self.say(f"trial {result.trial.number} failed: {result.score.reason}")

    def stage(self, sentence: str) -> None:
        """The search, or what else was going on, is over, and this is what comes now."""
        with self._telling:
            self._busy, self._busy_since = self._busy_seconds, math.nan
            self._is_searching, self._words, self._leg = False, sentence, _Leg()
        if not self._is_live:
            self.say(sentence)

    def say(self, sentence: str) -> None:
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
                clocks = self._clocks() if self._leg.planned else f"{clock(time.monotonic() - self._began)} gone"
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
        place = f"{_span(under_way)} of {count}: " if count > 1 else ""
        share = f", {self._leg.share:.0%}" if self._leg.planned and len(under_way) < 2 else ""
        return Text(f"{place}{self._words}{share}")

    def _now(self) -> RenderableType:
        self._spinner.update(text=Text(self._words, no_wrap=True, overflow="ellipsis"))
        return self._spinner

    def _clocks(self) -> str:
        """How long it has taken, and about how long it will."""
        gone = time.monotonic() - self._began
        left = self._seconds_left(gone)
        return f"{clock(gone)} gone" + ("" if left is None else f", about {clock(left)} left")

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


class _Leg:
    """What was planned last: lane-epochs, and how many of them have been trained."""

    def __init__(self, planned: float = 0.0) -> None:
        self.planned = planned
        self.trained = 0.0

    def followed_by(self, lane_epochs: float) -> _Leg:
        """The next one; what was planned before and is not trained yet is part of it."""
        return _Leg(self.left + lane_epochs)

    @property
    def left(self) -> float:
        """Lane-epochs to train."""
        return max(0.0, self.planned - self.trained)

    @property
    def share(self) -> float:
        """How much of it is trained, up to 1."""
        return min(1.0, self.trained / self.planned) if self.planned else 0.0


@dataclass(slots=True)
class _Round:
    """A round that is under way.

    Args:
        trials: How many were asked.
        missing: The numbers of those that have no score yet.
        legs: How many of its legs were planned.
    """

    trials: int
    missing: set[int]
    legs: int = 0


class _Search:
    """What is known of a search.

    Args:
        experiment: Its question and means; None where nobody searches.
        recorded: The results it goes on after.
    """

    def __init__(self, experiment: Experiment | None = None, recorded: Sequence[Result] = ()) -> None:
        self._experiment = experiment
        self._standing = Standing(experiment.objective) if experiment else None
        self._best: dict[str, tuple[float, int]] = {}
        self._climb: list[float] = []
        self.results: list[Result] = []
        self.counts: Counter[Status] = Counter()
        self.total = experiment.search.trials if experiment else 0
        self._recorded = {result.trial.number for result in recorded}
        gapless = next(number for number in range(len(recorded) + 1) if number not in self._recorded)
        self._begun = gapless // experiment.batch if experiment else 0  # rounds, of which the recorded ones are the first
        self._next = self._begun * experiment.batch if experiment else 0  # the first trial that was not asked
        self._rounds: dict[int, _Round] = {}  # those that are under way
        for result in recorded:
            self.add(result)

    def asked(self, trials: int) -> None:
        """A round of so many trials begins."""
        self._rounds[self._begun] = _Round(trials, set(range(self._next, self._next + trials)) - self._recorded)
        self._begun += 1
        self._next += trials

    def planned(self, turn: int) -> None:
        """A leg of this round is about to be trained."""
        if turn in self._rounds:
            self._rounds[turn].legs += 1

    @property
    def under_way(self) -> list[int]:
        """The rounds, from 1, that have trials without a score; between two of them the last one."""
        return [turn + 1 for turn in self._rounds] or [self._begun]

    def add(self, result: Result) -> None:
        """One more result."""
        self.results.append(result)
        for turn, of in [*self._rounds.items()]:
            of.missing.discard(result.trial.number)
            if not of.missing:
                del self._rounds[turn]
        self.counts[result.score.status] += 1
        if self._standing is None:
            return
        if result.score.is_complete:
            for head, r2 in result.score.of_heads.items():
                self._best[head] = max(self._best.get(head, (r2, result.trial.number)), (r2, result.trial.number), key=_first)
        self._standing.add(result)
        best = self._standing.leader
        self._climb.append(self._standing.judge.rank(best.score) if best else math.nan)

    @property
    def leader(self) -> Result | None:
        """The best so far."""
        return self._standing.leader if self._standing else None

    @property
    def rounds(self) -> int:
        """How many there will be, those that are over included, if all are as large as they may be."""
        if self._experiment is None or not self._begun:
            return 0
        return self._begun + -(-self._later // self._experiment.batch)

    @property
    def share(self) -> float:
        """How many of the trials have their scores."""
        return min(1.0, len(self.results) / self.total) if self.total else 0.0

    @property
    def to_come(self) -> float:
        """Lane-epochs that are not planned yet: the further legs of the rounds that are under way, and the further rounds."""
        if self._experiment is None:
            return 0.0
        whole, rest = divmod(self._later, self._experiment.batch)
        here = sum(sum(lane_epochs(self._experiment, of.trials)[of.legs :]) for of in self._rounds.values())
        rounds = whole * sum(lane_epochs(self._experiment, self._experiment.batch))
        return here + rounds + (sum(lane_epochs(self._experiment, rest)) if rest else 0.0)

    @property
    def _later(self) -> int:
        """Trials that will be asked after those that were."""
        return max(0, self.total - self._next)

    def rows(self) -> list[tuple[str, RenderableType]]:
        """What the panel shows of it, line by line."""
        if self._experiment is None:
            return []
        statuses = (Status.COMPLETE, Status.PRUNED, Status.FAILED)
        said = Text(", ").join(
            Text(f"{self.counts[status]} {status.lower()}", "red" if status is Status.FAILED and self.counts[status] else "")
            for status in statuses
        )
        rows: list[tuple[str, RenderableType]] = [("ended", said)]
        leader = self.leader
        if leader and self._standing:
            of_heads = "  ".join(f"{head} {r2:.4f}" for head, r2 in leader.score.of_heads.items())
            rule = self._experiment.objective.rule
            figure = "mean R²" if rule == MEAN else rule
            best = Text(f"{figure} {self._standing.judge.rank(leader.score):.4f}", style="bold green")
            rows.append(("best", best.append(f"  (trial {leader.trial.number}: {of_heads})", style="not bold")))
        if len(self._best) > 1:
            rows.append(("per head", "  ".join(f"{head} {r2:.4f} (trial {of})" for head, (r2, of) in self._best.items())))
        known = filter(math.isfinite, self._climb)
        first, second = next(known, math.nan), next(known, math.nan)
        if math.isfinite(second):
            last = next(filter(math.isfinite, reversed(self._climb)))
            curve = Text(curves.spark(self._climb, BAR), style="green")
            rows.append(("climb", curve.append(f"  {first:.4f} to {last:.4f}", style="default")))
        return rows


def lane_epochs(experiment: Experiment, trials: int) -> list[float]:
    """What a round of so many trials will train, leg by leg, if none of them fails or ends before its last epoch."""
    standing, legs = trials, []
    for start, stop in pairwise([0, *experiment.halving.rungs, experiment.fit.epochs]):
        legs.append(float(standing * experiment.lanes_per_trial * (stop - start)))
        standing = halving.places(standing, experiment.halving.keep)
    return legs


def _span(numbers: Sequence[int]) -> str:
    """Whole numbers that follow each other: `3`, `3 and 4`, `3 to 6`."""
    first, last = numbers[0], numbers[-1]
    return f"{first}" if first == last else f"{first} {'and' if last == first + 1 else 'to'} {last}"


def clock(seconds: float) -> str:
    """A time span: `1:05`, `2:00:13`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _first(one: tuple[float, int]) -> tuple[float, int]:
    """Higher first, and of equals the one asked first."""
    return one[0], -one[1]


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
