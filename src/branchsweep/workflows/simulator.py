"""Simulates a search: its rounds go through rungs and workers, nothing is trained, and the clock is simulated.

Trials get made-up scores, in an order that only chance decides, so that as many of them are pruned at every rung as would be.
How long each population takes is an estimate (`training/cost_model.py`), compiling included.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.output_columns import by_output
from branchsweep.models.heads.registry import kinds_of
from branchsweep.training import cost_model
from branchsweep.training.lanes import LaneOutcome, LaneState
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Resources
from branchsweep.training.scheduler import next_assignment
from branchsweep.trial import Trial
from branchsweep.workflows.train_lanes import LaneBatch
from branchsweep.workflows.trial_runner import SuccessiveHalving, TrialGroup

ROWS = 8
"""On which made-up scores are made."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows there are.

    Args:
        every: All training rows. Of a split by time they are more than a fold's, whose rows to train on end where others begin.
        train: Those that a network of the search trains on, on average over the folds.
        validation: Those that it validates on, likewise.
    """

    every: int
    train: int
    validation: int


@dataclass(frozen=True, slots=True)
class SimulatedSearch:
    """What a search would take.

    Args:
        seconds: Until the last worker is done.
        busy: The share of this time in which a worker has something to do, on average.
    """

    seconds: float
    busy: float


def simulate_search(
    rounds: Sequence[Sequence[Trial]], experiment: Experiment, resources: Resources, counts: RowCounts
) -> SimulatedSearch:
    """A search that asks these rounds, `search.pending_rounds` of them before the oldest is over.

    Args:
        rounds: What is asked, in order.
        experiment: Gives folds, seeds, rungs, and how many rounds are asked ahead.
        resources: Where populations would train; GPUs count as cores, for nothing is known of their speed.
        counts: Of the real rows.
    """
    rows = _made_up(experiment)
    trainer, queue = _SimulatedTrainer(rows, resources, counts), PopulationQueue()
    outcomes, under_way = trainer.train(queue), deque[SuccessiveHalving]()

    def finish_oldest() -> None:
        while not under_way[0].is_over:
            position, outcome = next(outcomes)
            next(halving for halving in under_way if halving.trains(position)).collect(position, outcome)
        under_way.popleft()

    asked = told = 0
    for turn, trials in enumerate(rounds):
        while told < experiment.rounds.told_before(asked):
            finish_oldest()
            told = sum(len(earlier) for earlier in rounds[: turn - len(under_way)])
        asked += len(trials)
        batch = LaneBatch(queue, resources, lambda *_planned: None, counts.every, turn)
        group = TrialGroup(trials, range(experiment.folds), latencies={trial.number: 1.0 for trial in trials})
        halving = SuccessiveHalving([group], experiment, rows, batch)
        halving.start()
        under_way.append(halving)
    while under_way:
        finish_oldest()
    return SimulatedSearch(trainer.now, trainer.busy / max(resources.workers * trainer.now, 1e-9))


def _made_up(experiment: Experiment) -> TrainingRows:
    """A few rows, all of which learn and validate in every fold."""
    heads, every = tuple(experiment.heads), np.arange(ROWS)
    y = np.random.default_rng(0).normal(size=(ROWS, len(heads)))
    for column, head in enumerate(experiment.heads.values()):
        if head.classes is not None:
            y[:, column] = every % len(head.classes)
    return TrainingRows(np.zeros((ROWS, len(experiment.table.inputs))), y, ((every, every),) * experiment.folds, heads)


class _SimulatedTrainer:
    """Trains nothing, and yields populations in the order in which workers would be done with them.

    Args:
        rows: Made-up ones.
        resources: How many workers there are.
        counts: Of the real ones.
    """

    def __init__(self, rows: TrainingRows, resources: Resources, counts: RowCounts) -> None:
        self._rows, self._resources, self._counts = rows, resources, counts
        self._compiled: list[set[Program]] = [set() for _ in range(resources.workers)]
        self.now = self.busy = 0.0

    def train(self, queue: PopulationQueue) -> Iterator[tuple[int, PopulationOutcome]]:
        """Yields every population, in the order in which workers would finish."""
        training: list[tuple[float, int, int, Population]] = []  # end, position in the queue, worker, population
        idle = set(range(len(self._compiled)))
        while queue or training:
            while queue and idle:
                anywhere = set[Program]().union(*self._compiled)
                worker, position = next_assignment(
                    {worker: self._compiled[worker] for worker in sorted(idle)},
                    queue.next,
                    anywhere,
                    self._resources,
                    self._counts.every,
                )
                members = queue.take(position)
                seconds = cost_model.estimated_seconds(members, self._counts.train, self._counts.validation)
                if members.program not in self._compiled[worker]:
                    seconds += cost_model.LOAD_SECONDS if members.program in anywhere else cost_model.COMPILE_SECONDS
                    self._compiled[worker].add(members.program)
                idle.remove(worker)
                self.busy += seconds
                heapq.heappush(training, (self.now + seconds, position, worker, members))
            self.now, position, worker, members = heapq.heappop(training)
            idle.add(worker)
            yield position, PopulationOutcome([*self._outcomes(members)], 0.0, 0.0)

    def _outcomes(self, members: Population) -> Iterator[LaneOutcome]:
        for lane in members.lanes:
            guesses = by_output(self._rows.y, kinds_of(members.program.losses))
            guesses = np.where(guesses == 0.0, 1.0, guesses)  # of the first class: probabilities have a sum
            predicted = guesses * np.random.default_rng(int(lane.key.candidate)).random()
            stop, curve = lane.stop, np.zeros((lane.stop, self._rows.y.shape[1]))
            goes_on = lane.pauses and stop < lane.epochs
            state = LaneState(stop, (), (), (), (), 0.0, stop, 0, predicted.astype(np.float32), curve) if goes_on else None
            yield LaneOutcome(predicted, curve, stop, failed_at=0, state=state)
