"""The progress of a sweep in numbers, and an estimate of the training that remains; `terminal` shows them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import RenderableType
from rich.text import Text

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import DEFAULT_OBJECTIVE, common_metric
from branchsweep.config.sections.training import epochs_by_phase
from branchsweep.metrics.names import label
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.reporting.text import curves
from branchsweep.search.successive_halving import surviving_count
from branchsweep.trial import Result, Status

BAR = 40
"""Width of a progress bar, and of the curve of the best score, in columns."""


class PhaseProgress:
    """Lane-epochs that were planned last, and how many of them have been trained.

    Args:
        planned: Lane-epochs.
    """

    def __init__(self, planned: float = 0.0) -> None:
        self.planned = planned
        self.trained = 0.0

    def followed_by(self, lane_epochs: float) -> PhaseProgress:
        """The next phase; what was planned before and is not trained yet is part of it."""
        return PhaseProgress(self.left + lane_epochs)

    @property
    def left(self) -> float:
        """Lane-epochs that remain."""
        return max(0.0, self.planned - self.trained)

    @property
    def share(self) -> float:
        """Share that has been trained, from 0 to 1."""
        return min(1.0, self.trained / self.planned) if self.planned else 0.0


@dataclass(slots=True)
class RoundProgress:
    """A round that is under way.

    Args:
        trials: Number of its trials.
        missing: Numbers of the trials that have no score yet.
        phases: How many of its phases (from rung to rung) have been planned.
    """

    trials: int
    missing: set[int]
    phases: int = 0


class SearchProgress:
    """The progress of a search.

    Args:
        experiment: The experiment; None if there is no search.
    """

    def __init__(self, experiment: Experiment | None = None) -> None:
        self._experiment = experiment
        self._evaluation = RunningEvaluation(experiment.objective) if experiment else None
        self._best_by_head: dict[str, tuple[float, int]] = {}  # score and trial
        self._history: list[float] = []  # the best value after each trial
        self.results: list[Result] = []
        self.counts: Counter[Status] = Counter()
        self.total = experiment.search.trials if experiment else 0
        self._recorded: set[int] = set()  # numbers of the trials that were recorded before
        self._begun = 0  # rounds that have begun, recorded ones included
        self._next = 0  # number of the next trial
        self._rounds: dict[int, RoundProgress] = {}  # those that are under way

    @classmethod
    def resumed(cls, experiment: Experiment, recorded: Sequence[Result]) -> Self:
        """The progress of a search with these results, which were recorded before."""
        progress = cls(experiment)
        progress._recorded = {result.trial.number for result in recorded}
        gapless = next(number for number in range(len(recorded) + 1) if number not in progress._recorded)
        progress._begun = experiment.rounds.of(gapless)
        progress._next = experiment.rounds.begin(progress._begun)
        for result in recorded:
            progress.add(result)
        return progress

    def begin_round(self, trials: int) -> None:
        """Count a round of so many trials as under way."""
        self._rounds[self._begun] = RoundProgress(trials, set(range(self._next, self._next + trials)) - self._recorded)
        self._begun += 1
        self._next += trials

    def plan_phase(self, turn: int) -> None:
        """Count the next phase of this round, from 0, as planned."""
        if turn in self._rounds:
            self._rounds[turn].phases += 1

    @property
    def under_way(self) -> list[int]:
        """The rounds, from 1, that have trials without a score; between two rounds the last one."""
        return [turn + 1 for turn in self._rounds] or [self._begun]

    def add(self, result: Result) -> None:
        """Add the result of one more trial."""
        self.results.append(result)
        for turn, progress in [*self._rounds.items()]:
            progress.missing.discard(result.trial.number)
            if not progress.missing:
                del self._rounds[turn]
        self.counts[result.score.status] += 1
        if self._evaluation is None:
            return
        if result.score.is_complete:
            for head, score in result.score.by_head.items():
                candidate = (score, result.trial.number)
                self._best_by_head[head] = max(self._best_by_head.get(head, candidate), candidate, key=_by_score)
        self._evaluation.add(result)
        best = self._evaluation.incumbent
        self._history.append(self._evaluation.evaluator.ranked_by(best.score) if best else math.nan)

    @property
    def best(self) -> Result | None:
        """The best trial so far."""
        return self._evaluation.incumbent if self._evaluation else None

    @property
    def score_label(self) -> str:
        """The name of the metric that is the score, such as `R²`."""
        return label(common_metric(self._experiment.score_metrics.values())) if self._experiment else ""

    @property
    def rounds(self) -> int:
        """Number of rounds in total, if all to come have the batch size."""
        if self._experiment is None or not self._begun:
            return 0
        return self._begun + -(-self._later // self._experiment.batch)

    @property
    def share(self) -> float:
        """Share of the trials that have a score."""
        return min(1.0, len(self.results) / self.total) if self.total else 0.0

    @property
    def to_come(self) -> float:
        """Lane-epochs that are not planned yet: further phases of the rounds under way, and further rounds."""
        if self._experiment is None:
            return 0.0
        full_rounds, rest = divmod(self._later, self._experiment.batch)
        under_way = sum(
            sum(lane_epochs(self._experiment, running.trials)[running.phases :]) for running in self._rounds.values()
        )
        rounds = full_rounds * sum(lane_epochs(self._experiment, self._experiment.batch))
        return under_way + rounds + (sum(lane_epochs(self._experiment, rest)) if rest else 0.0)

    @property
    def _later(self) -> int:
        """Number of trials that are still to be proposed."""
        return max(0, self.total - self._next)

    def rows(self) -> list[tuple[str, RenderableType]]:
        """The rows of the panel, as label and content."""
        if self._experiment is None:
            return []
        statuses = (Status.COMPLETE, Status.PRUNED, Status.FAILED)
        counts = Text(", ").join(
            Text(f"{self.counts[status]} {status.lower()}", "red" if status is Status.FAILED and self.counts[status] else "")
            for status in statuses
        )
        rows: list[tuple[str, RenderableType]] = [("finished", counts)]
        best = self.best
        if best and self._evaluation:
            scores = "  ".join(f"{head} {score:.4f}" for head, score in best.score.by_head.items())
            rule = self._experiment.objective.ranking_metric
            metric = f"mean {self.score_label}" if rule == DEFAULT_OBJECTIVE else rule
            text = Text(f"{metric} {self._evaluation.evaluator.ranked_by(best.score):.4f}", style="bold green")
            rows.append(("best", text.append(f"  (trial {best.trial.number}: {scores})", style="not bold")))
        if len(self._best_by_head) > 1:
            by_head = (f"{head} {score:.4f} (trial {trial})" for head, (score, trial) in self._best_by_head.items())
            rows.append(("per head", "  ".join(by_head)))
        finite = filter(math.isfinite, self._history)
        first, second = next(finite, math.nan), next(finite, math.nan)
        if math.isfinite(second):
            last = next(filter(math.isfinite, reversed(self._history)))
            curve = Text(curves.sparkline(self._history, BAR), style="green")
            rows.append(("history", curve.append(f"  {first:.4f} to {last:.4f}", style="default")))
        return rows


def lane_epochs(experiment: Experiment, trials: int) -> list[float]:
    """Lane-epochs of a round, by phase (from rung to rung), if no trial fails or stops early.

    Args:
        experiment: Epochs, rungs and lanes per trial.
        trials: Number of trials of the round.
    """
    remaining, phases = trials, []
    for of_trial in epochs_by_phase(experiment.phases):
        phases.append(float(remaining * of_trial))
        remaining = surviving_count(remaining, experiment.pruning_schedule.keep)
    return phases


def number_range(numbers: Sequence[int]) -> str:
    """Consecutive integers as text: `3`, `3 and 4`, `3 to 6`."""
    first, last = numbers[0], numbers[-1]
    return f"{first}" if first == last else f"{first} {'and' if last == first + 1 else 'to'} {last}"


def format_clock(seconds: float) -> str:
    """A duration in seconds as `1:05` or `2:00:13`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _by_score(candidate: tuple[float, int]) -> tuple[float, int]:
    """Sort key of pairs of score and trial: of equal scores the earlier trial is better."""
    score, trial = candidate
    return score, -trial
