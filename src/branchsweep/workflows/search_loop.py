"""The search: ask, train, record, tell, again, in rounds that may be under way together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search import Rounds
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.search.protocols import Driver
from branchsweep.search.stopping import StoppedBy, StopReason, check_stop, space_exhausted
from branchsweep.tracking.protocols import Tracker, sweep_label
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result
from branchsweep.workflows.callbacks import SearchEvents
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.latency import SearchLatencies
from branchsweep.workflows.records.recorded_params import check_recorded_params
from branchsweep.workflows.train_lanes import LaneBatch
from branchsweep.workflows.trial_runner import SuccessiveHalving, TrialGroup

WARM_UP_ROUNDS = 4
"""Rounds before the utilization of the workers is worth a message: by then a slow start no longer counts."""

LOW_UTILIZATION = 0.5
"""Workers that are busy for less of the time wait for the end of rounds."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The end of a search.

    Args:
        results: In order of the trials' numbers.
        stop: Why it ended.
        seconds: Wall time that it took, earlier processes included.
    """

    results: list[Result]
    stop: StopReason
    seconds: float


def run_search(
    experiment: Experiment, driver: Driver, training: TrainingContext, tracker: Tracker, seconds_before: float = 0.0
) -> SearchResult:
    """Ask for trials, train them and tell the driver their results, until a stopping criterion is reached.

    The driver is asked for rounds, and told their results, in order. Up to `search.pending_rounds` further rounds are asked
    before the results of the oldest are known, so that an idle worker can train for the next round. The trials do not depend on
    which round is finished first.

    The tracker holds the only history of a search. On resuming, a new driver is told the results of complete rounds, rounds
    that were interrupted are asked again, and only their missing trials are trained. If the time limit or the target is
    reached, rounds end at their next rung, where the trials are pruned.

    Args:
        experiment: Determines rounds, stopping criteria, folds and rungs.
        driver: A new driver, without trials.
        training: The trainer with its rows and progress.
        tracker: Records results, and returns those of earlier processes.
        seconds_before: Seconds that the search has taken in earlier processes.
    """
    search = _Search(experiment, driver, training, tracker, time.perf_counter() - seconds_before)
    search.tell_recorded_rounds()
    while True:
        stop = search.stop_reason
        if not stop and search.may_ask:
            search.ask()
        elif search.rounds:
            search.finish_oldest_round()
        else:
            break
    assert stop, "the loop ended without a reason to stop"
    training.progress.on_stage(f"the search is over: {stop.because}")
    if search.may_be_faster:
        training.progress.on_message(
            f"workers had something to do for {search.utilization:.0%} of the time: more rounds asked ahead "
            f"(search.pending_rounds, now {experiment.pending_rounds}) would keep them busy; "
            "branchsweep run … --dry-run says how many"
        )
    return SearchResult(search.results, stop, search.seconds)


class _Search:
    """The state of a search: the results that were told, and the rounds that are under way.

    Args:
        experiment: Gives rounds, budgets, folds and rungs.
        driver: Asks trials.
        training: Trains them.
        tracker: Records their results.
        start: The value of `time.perf_counter` when the search began.
    """

    def __init__(
        self, experiment: Experiment, driver: Driver, training: TrainingContext, tracker: Tracker, start: float
    ) -> None:
        self._experiment, self._driver, self._training, self._tracker = experiment, driver, training, tracker
        self._start, self._start_here = start, time.perf_counter()
        self._busy_seconds = 0.0
        self._total, self._rounds = experiment.search.trials, experiment.rounds
        self._recorded: dict[int, Result] = {}
        self._asked = self._asked_here = 0
        self._told, self._finished = (RunningEvaluation(experiment.objective) for _ in range(2))
        self._exhausted: StopReason | None = None
        self._events = SearchEvents(experiment, training.callbacks)
        self._queue = PopulationQueue()
        self._latencies = SearchLatencies(experiment, training)
        self.rounds: deque[_Round] = deque()
        self.results: list[Result] = []

    @cached_property
    def _outcomes(self) -> Iterator[tuple[int, PopulationOutcome]]:
        """The populations of all rounds, as they are trained."""
        return self._training.trainer.train(self._queue)

    @property
    def seconds(self) -> float:
        """Wall time that it took."""
        return time.perf_counter() - self._start

    @property
    def utilization(self) -> float:
        """The share of this process's time in which a worker had something to do, on average."""
        seconds = time.perf_counter() - self._start_here
        return self._busy_seconds / (self._training.trainer.resources.workers * max(seconds, 1e-9))

    @property
    def may_be_faster(self) -> bool:
        """Whether workers waited more than they trained, over many rounds, and asking ahead is possible."""
        many = self._asked_here >= WARM_UP_ROUNDS * self._rounds.size
        return many and self._experiment.can_ask_ahead and self.utilization < LOW_UTILIZATION

    @property
    def stop_reason(self) -> StopReason | None:
        """Why nothing more should be asked, as far as is known.

        It may no longer hold later: a trial that is under way may bring a new best, and patience with it.
        """
        reason = self._exhausted or self._events.stop_reason or self._early_stop()
        return reason or check_stop(self._experiment, self._told, self.seconds)

    @property
    def may_ask(self) -> bool:
        """Whether another round may be under way beside those that are."""
        return self._asked < self._total and len(self.results) >= self._rounds.told_before(self._asked)

    def tell_recorded_rounds(self) -> None:
        """Tells the driver the rounds that are recorded in full."""
        recorded = self._tracker.recorded_results()
        check_recorded_params(self._experiment, recorded, sweep_label(self._experiment.name, self._tracker.run_id))
        self._recorded = {result.trial.number: result for result in recorded if result.trial.number < self._total}
        self._latencies.add_recorded(self._recorded.values())
        self._asked = _trials_of_whole_rounds(self._recorded, self._rounds, self._total)
        in_order = [self._recorded[number] for number in sorted(self._recorded)]
        self._training.progress.on_search_begin(self._experiment, in_order)
        self._events.begin(in_order)
        self._report_changed_settings()
        if self._experiment.objective.optimizes_latency:
            self._training.progress.on_message(
                "latency is measured on this machine, so another run may try other trials (docs/search.md#small-networks)"
            )
        for number in range(self._asked):
            self._finished.add(self._recorded[number])
            self._tell(self._recorded[number])

    def ask(self) -> None:
        """Asks the next round. The trials of it that are recorded have their scores; the lanes of the others are queued."""
        turn = self._rounds.of(self._asked)
        trials = self._driver.ask(min(self._rounds.begin(turn + 1), self._total) - self._asked)
        if not trials:
            self._exhausted = space_exhausted(self._asked)
            return
        progress = self._training.progress
        progress.on_round_begin(len(trials))
        recorded = [self._recorded[trial.number] for trial in trials if trial.number in self._recorded]
        for result in recorded:
            self._finished.add(result)
        missing = [trial for trial in trials if trial.number not in self._recorded]
        latencies = self._latencies.of(missing)
        group = TrialGroup(missing, range(self._experiment.folds), recorded, latencies=latencies)
        rows = self._training.rows
        batch = LaneBatch(self._queue, self._training.trainer.resources, progress.on_training_planned, len(rows.x), turn)
        halving = SuccessiveHalving([group], self._experiment, rows, batch, self._why_stop_early)
        halving.start()
        self.rounds.append(_Round(halving, recorded))
        self._asked += len(trials)
        self._asked_here += len(missing)

    def finish_oldest_round(self) -> None:
        """Collects trained populations, of whatever round, until the oldest round is over; then tells its results."""
        oldest = self.rounds[0]
        while not oldest.halving.is_over:
            self._collect(*next(self._outcomes))
        self.rounds.popleft()
        in_order = sorted(oldest.results, key=lambda result: result.trial.number)
        for result in in_order:
            self._tell(result)
        self._events.round_ended(in_order)

    def _collect(self, position: int, outcome: PopulationOutcome) -> None:
        self._busy_seconds += outcome.seconds + outcome.compile_seconds
        owner = next(running for running in self.rounds if running.halving.trains(position))
        for _, result in owner.halving.collect(position, outcome):
            self._tracker.record([result])
            kept = result.without_curves()  # those of a long sweep would fill the memory
            self._training.progress.on_trial_end(kept)
            self._finished.add(kept)
            self._events.trial_ended(kept)
            owner.results.append(kept)

    def _tell(self, result: Result) -> None:
        self._driver.tell(result)
        self._told.add(result)
        self.results.append(result)

    def _early_stop(self) -> StopReason | None:
        """Why nothing should be trained to its end; None for what ends a search only after its rounds."""
        if self._events.stop_reason and self._finished.incumbent:  # else no trial would come to its end
            return self._events.stop_reason
        stop = check_stop(self._experiment, self._finished, self.seconds)
        return stop if stop and stop.by in {StoppedBy.SECONDS, StoppedBy.TARGET} else None

    def _why_stop_early(self) -> str:
        stop = self._early_stop()
        return stop.because if stop else ""

    def _report_changed_settings(self) -> None:
        """Says where an algorithm is not asked as the experiment is written."""
        experiment, written = self._experiment, self._experiment.search
        if experiment.batch < written.batch:
            self._training.progress.on_message(
                f"{experiment.algorithm} is asked for {experiment.batch} trials at once, not {written.batch}: see search.batch"
            )
        if experiment.first_batch > (written.first_batch or experiment.batch):
            self._training.progress.on_message(
                f"{experiment.algorithm} is asked for {experiment.batch} trials at first, too, for it needs the answers: "
                "see search.first_batch"
            )
        if experiment.pending_rounds < written.pending_rounds:
            latency = experiment.objective.optimizes_latency
            why = "latency is measured while nothing trains" if latency else f"{experiment.algorithm} needs the answers"
            self._training.progress.on_message(f"nothing is asked ahead, for {why}: see search.pending_rounds")


@dataclass(frozen=True, slots=True)
class _Round:
    """Trials that were asked together.

    Args:
        halving: Trains and prunes them.
        results: Those that have their scores.
    """

    halving: SuccessiveHalving
    results: list[Result]


def _trials_of_whole_rounds(recorded: Mapping[int, Result], rounds: Rounds, total: int) -> int:
    """How many trials there are in the rounds that are recorded without a gap."""
    gapless = next(number for number in range(total + 1) if number not in recorded)
    return gapless if gapless == total else rounds.begin(rounds.of(gapless))
