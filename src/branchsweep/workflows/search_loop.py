"""The search: ask, pack, train, grade, record, tell, again, in rounds that may be under way together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.search.protocols import Driver
from branchsweep.search.stopping import StoppedBy, StopReason, check_stop, space_exhausted
from branchsweep.tracking.protocols import Tracking
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.trial import Result
from branchsweep.workflows.progress import ProgressCallback
from branchsweep.workflows.train_lanes import LaneBatch
from branchsweep.workflows.trial_runner import SuccessiveHalving, TrialGroup

WARM_UP_ROUNDS = 4
"""In so many rounds a start that takes its time is forgotten."""

LOW_UTILIZATION = 0.5
"""Workers that are busy for less of the time wait for the end of rounds."""


@dataclass(frozen=True, slots=True)
class SearchContext:
    """Who does the work.

    Args:
        driver: Asks.
        trainer: Trains.
        tracking: Records.
        progress: Is told.
    """

    driver: Driver
    trainer: Trainer
    tracking: Tracking
    progress: ProgressCallback


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search has found.

    Args:
        results: In order of the trials' numbers.
        stop: Why it ended.
        seconds: Wall time that it took, earlier processes included.
    """

    results: list[Result]
    stop: StopReason
    seconds: float


def run_search(experiment: Experiment, rows: TrainingRows, engines: SearchContext, spent: float = 0.0) -> SearchResult:
    """Ask, train, tell until a budget is spent or the driver has nothing left to ask.

    Rounds are asked and told in order, and `search.pending_rounds` more of them are asked before the oldest has been told, so
    that a worker that has nothing to do for one round trains the next. What is asked does not depend on which of them is over
    first.

    The tracker is the one history: a fresh driver is told the rounds that are recorded in full, asks those that were cut short
    again, and only what is missing of them is trained. Rounds in which time runs out or the target is reached end at their next
    rung: what stands there is pruned.

    Args:
        experiment: The question and the means.
        rows: What may be seen.
        engines: Who does the work.
        spent: Seconds that the search has taken in an earlier process.
    """
    going = _Search(experiment, rows, engines, time.perf_counter() - spent)
    while True:
        ended = going.ended
        if not ended and going.may_ask:
            going.ask()
        elif going.rounds:
            going.finish_oldest()
        else:
            break
    assert ended, "all trials are told, or there is a reason not to ask for more"
    engines.progress.on_stage(f"the search is over: {ended.because}")
    if going.may_be_faster:
        engines.progress.on_message(
            f"workers had something to do for {going.busy:.0%} of the time: more rounds asked ahead (search.pending_rounds, now"
            f" {experiment.pending_rounds}) would keep them busy; branchsweep run … --dry-run says how many"
        )
    return SearchResult(going.results, ended, going.seconds)


class _Search:
    """How far a search is: what was told, and the rounds that are under way.

    Args:
        experiment: The question and the means.
        rows: What may be seen.
        engines: Who does the work.
        began: When, by the clock of `time.perf_counter`.
    """

    def __init__(self, experiment: Experiment, rows: TrainingRows, engines: SearchContext, began: float) -> None:
        self._experiment, self._rows, self._engines, self._began = experiment, rows, engines, began
        self._begun_here, self._trained = time.perf_counter(), 0.0
        self._total, self._batch = experiment.search.trials, experiment.batch
        known = engines.tracking.tracker.recorded_results()
        self._recorded = {result.trial.number: result for result in known if result.trial.number < self._total}
        self._asked = _whole_rounds(self._recorded, self._batch, self._total)
        self._asked_here = 0
        self._told, self._answered = (
            RunningEvaluation(experiment.objective) for _ in range(2)
        )  # by rounds, and as scores come
        self._nothing_left: StopReason | None = None
        self._line = PopulationQueue()
        self._outcomes = engines.trainer.train(self._line)
        self.rounds: deque[_Round] = deque()
        self.results: list[Result] = []
        engines.progress.on_search_begin(experiment, [self._recorded[number] for number in sorted(self._recorded)])
        self._say_what_is_otherwise()
        for number in range(self._asked):
            self._answered.add(self._recorded[number])
            self._tell(self._recorded[number])

    @property
    def seconds(self) -> float:
        """Wall time that it took."""
        return time.perf_counter() - self._began

    @property
    def busy(self) -> float:
        """The share of this process's time in which a worker had something to do, on average."""
        here = time.perf_counter() - self._begun_here
        return self._trained / (self._engines.trainer.resources.workers * max(here, 1e-9))

    @property
    def may_be_faster(self) -> bool:
        """Whether workers waited more than they trained, over many rounds, and asking ahead is possible."""
        many = self._asked_here >= WARM_UP_ROUNDS * self._batch
        return many and self._experiment.can_ask_ahead and self.busy < LOW_UTILIZATION

    @property
    def ended(self) -> StopReason | None:
        """Why nothing more should be asked, as far as is known: what is under way may bring a new best, and patience again."""
        return self._nothing_left or self._early() or check_stop(self._experiment, self._told, self.seconds)

    @property
    def may_ask(self) -> bool:
        """Whether another round may be under way beside those that are."""
        return self._asked < self._total and len(self.rounds) <= self._experiment.pending_rounds

    def ask(self) -> None:
        """The next round: what is recorded of it already has its scores, all else stands in line."""
        trials = self._engines.driver.ask(min(self._batch, self._total - self._asked))
        if not trials:
            self._nothing_left = space_exhausted(self._asked)
            return
        self._engines.progress.on_round_begin(len(trials))
        recorded = [self._recorded[trial.number] for trial in trials if trial.number in self._recorded]
        for result in recorded:
            self._answered.add(result)
        missing = [trial for trial in trials if trial.number not in self._recorded]
        group, turn = TrialGroup(missing, range(self._experiment.folds), recorded), self._asked // self._batch
        resources, on_planned = self._engines.trainer.resources, self._engines.progress.on_training_planned
        batch = LaneBatch(self._line, resources, on_planned, turn)
        halving = SuccessiveHalving([group], self._experiment, self._rows, batch, self._why_early)
        halving.start()
        self.rounds.append(_Round(halving, recorded))
        self._asked += len(trials)
        self._asked_here += len(missing)

    def finish_oldest(self) -> None:
        """Takes what is trained, of whatever round, until the oldest is over, and tells that."""
        oldest = self.rounds[0]
        while not oldest.halving.is_over:
            self._take(*next(self._outcomes))
        self.rounds.popleft()
        for result in sorted(oldest.results, key=lambda result: result.trial.number):
            self._tell(result)

    def _take(self, position: int, outcome: PopulationOutcome) -> None:
        self._trained += outcome.seconds + outcome.compile_seconds
        of = next(each for each in self.rounds if each.halving.trains(position))
        for _, result in of.halving.collect(position, outcome):
            self._engines.tracking.tracker.record([result])
            kept = result.without_curves()  # those of a long sweep would fill the memory
            self._engines.progress.on_trial_end(kept)
            self._answered.add(kept)
            of.results.append(kept)

    def _tell(self, result: Result) -> None:
        self._engines.driver.tell(result)
        self._told.add(result)
        self.results.append(result)

    def _early(self) -> StopReason | None:
        """Why nothing should be trained to its end; None for what ends a search when it is."""
        ended = check_stop(self._experiment, self._answered, self.seconds)
        return ended if ended and ended.by in {StoppedBy.SECONDS, StoppedBy.TARGET} else None

    def _why_early(self) -> str:
        ended = self._early()
        return ended.because if ended else ""

    def _say_what_is_otherwise(self) -> None:
        """Where an algorithm is not asked as the experiment says."""
        said, asked = self._experiment.search, self._experiment
        if asked.batch < said.batch:
            self._engines.progress.on_message(
                f"{asked.algorithm} is asked for {asked.batch} trials at once, not {said.batch}: see search.batch"
            )
        if asked.pending_rounds < said.pending_rounds:
            self._engines.progress.on_message(
                f"{asked.algorithm} asks nothing ahead, for it needs the answers: see search.pending_rounds"
            )


@dataclass(frozen=True, slots=True)
class _Round:
    """Trials that were asked together.

    Args:
        halving: How far they are.
        results: What has come of them.
    """

    halving: SuccessiveHalving
    results: list[Result]


def _whole_rounds(recorded: Mapping[int, Result], batch: int, total: int) -> int:
    """How many trials the rounds hold that are recorded without a gap."""
    gapless = next(number for number in range(total + 1) if number not in recorded)
    return gapless if gapless == total else gapless - gapless % batch
