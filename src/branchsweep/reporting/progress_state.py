"""How far a sweep is: what the live display shows, and how long the rest will take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import RenderableType
from rich.text import Text

from branchsweep.config.experiment import Experiment
from branchsweep.config.objective import MEAN_METRIC
from branchsweep.metrics.incumbent import Incumbent
from branchsweep.reporting.text import curves
from branchsweep.search.successive_halving import surviving_count
from branchsweep.trial import Result, Status

BAR = 40
"""Width of a progress bar, and of the curve of the best score, in columns."""


class PhaseProgress:
    """What was planned last: lane-epochs, and how many of them have been trained."""

    def __init__(self, planned: float = 0.0) -> None:
        self.planned = planned
        self.trained = 0.0

    def followed_by(self, lane_epochs: float) -> PhaseProgress:
        """The next one; what was planned before and is not trained yet is part of it."""
        return PhaseProgress(self.left + lane_epochs)

    @property
    def left(self) -> float:
        """Lane-epochs to train."""
        return max(0.0, self.planned - self.trained)

    @property
    def share(self) -> float:
        """How much of it is trained, up to 1."""
        return min(1.0, self.trained / self.planned) if self.planned else 0.0


@dataclass(slots=True)
class RoundProgress:
    """A round that is under way.

    Args:
        trials: How many were asked.
        missing: The numbers of those that have no score yet.
        legs: How many of its legs were planned.
    """

    trials: int
    missing: set[int]
    legs: int = 0


class SearchProgress:
    """What is known of a search.

    Args:
        experiment: Its question and means; None where nobody searches.
        recorded: The results it goes on after.
    """

    def __init__(self, experiment: Experiment | None = None, recorded: Sequence[Result] = ()) -> None:
        self._experiment = experiment
        self._standing = Incumbent(experiment.objective) if experiment else None
        self._best: dict[str, tuple[float, int]] = {}
        self._climb: list[float] = []
        self.results: list[Result] = []
        self.counts: Counter[Status] = Counter()
        self.total = experiment.search.trials if experiment else 0
        self._recorded = {result.trial.number for result in recorded}
        gapless = next(number for number in range(len(recorded) + 1) if number not in self._recorded)
        self._begun = gapless // experiment.batch if experiment else 0  # rounds, of which the recorded ones are the first
        self._next = self._begun * experiment.batch if experiment else 0  # the first trial that was not asked
        self._rounds: dict[int, RoundProgress] = {}  # those that are under way
        for result in recorded:
            self.add(result)

    def asked(self, trials: int) -> None:
        """A round of so many trials begins."""
        self._rounds[self._begun] = RoundProgress(trials, set(range(self._next, self._next + trials)) - self._recorded)
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
            rule = self._experiment.objective.ranking_metric
            figure = "mean R²" if rule == MEAN_METRIC else rule
            best = Text(f"{figure} {self._standing.judge.rank(leader.score):.4f}", style="bold green")
            rows.append(("best", best.append(f"  (trial {leader.trial.number}: {of_heads})", style="not bold")))
        if len(self._best) > 1:
            rows.append(("per head", "  ".join(f"{head} {r2:.4f} (trial {of})" for head, (r2, of) in self._best.items())))
        known = filter(math.isfinite, self._climb)
        first, second = next(known, math.nan), next(known, math.nan)
        if math.isfinite(second):
            last = next(filter(math.isfinite, reversed(self._climb)))
            curve = Text(curves.sparkline(self._climb, BAR), style="green")
            rows.append(("climb", curve.append(f"  {first:.4f} to {last:.4f}", style="default")))
        return rows


def lane_epochs(experiment: Experiment, trials: int) -> list[float]:
    """What a round of so many trials will train, leg by leg, if none of them fails or ends before its last epoch."""
    standing, legs = trials, []
    for start, stop in pairwise([0, *experiment.pruning_schedule.rungs, experiment.fit.epochs]):
        legs.append(float(standing * experiment.lanes_per_trial * (stop - start)))
        standing = surviving_count(standing, experiment.pruning_schedule.keep)
    return legs


def trial_range(numbers: Sequence[int]) -> str:
    """Whole numbers that follow each other: `3`, `3 and 4`, `3 to 6`."""
    first, last = numbers[0], numbers[-1]
    return f"{first}" if first == last else f"{first} {'and' if last == first + 1 else 'to'} {last}"


def format_clock(seconds: float) -> str:
    """A time span: `1:05`, `2:00:13`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _first(one: tuple[float, int]) -> tuple[float, int]:
    """Higher first, and of equals the one asked first."""
    return one[0], -one[1]
