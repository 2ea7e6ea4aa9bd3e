"""Trains lanes: packs them into populations, trains these, and returns each lane's outcome by its key.

`train_groups`, and `train_lanes` for one experiment, are what all stages after the search call. A search has several rounds
under way at once in one queue; it holds a `LaneBatch` for each and trains the queue itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from branchsweep.config.experiment import Experiment
from branchsweep.data.columns import count_noun
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, distinct_lanes
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Resources
from branchsweep.workflows.context import TrainingContext

PlanCallback = Callable[[float, str, int], None]
"""Is called with what is about to be trained: see `ProgressCallback.on_training_planned`."""


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Lanes of one experiment.

    Args:
        lanes: What is to be trained.
        experiment: What the lanes have in common: inputs, losses, early stopping, the order of the rows.
        name: Their description in messages, such as `to confirm trial 3`.
    """

    lanes: Sequence[Lane]
    experiment: Experiment
    name: str = ""

    @property
    def epochs(self) -> int:
        """The epochs of the longest lane."""
        return max((lane.stop - lane.start for lane in self.lanes), default=0)


def equal_groups(experiments: Mapping[int, Experiment]) -> list[list[int]]:
    """The keys of equal experiments, whose lanes may share populations."""
    groups: list[list[int]] = []
    for key, experiment in experiments.items():
        alike = next((group for group in groups if experiments[group[0]] == experiment), None)
        if alike is None:
            groups.append([key])
        else:
            alike.append(key)
    return groups


def train_groups(
    groups: Sequence[LaneGroup], training: TrainingContext, keep_weights: bool = False
) -> list[dict[LaneKey, LaneOutcome]]:
    """Trains lanes of several experiments side by side, so that no worker waits for the end of one group.

    The group with the longest lanes begins: what takes long should not be what is left at the end.

    Args:
        groups: What is trained. Equal lanes of a group are trained once.
        training: Trains them.
        keep_weights: Whether outcomes have the kept weights.

    Returns:
        For each group, the outcome of every lane by its key.
    """
    queue = PopulationQueue()
    resources, on_planned, rows = training.trainer.resources, training.progress.on_training_planned, len(training.rows.x)
    batches = [LaneBatch(queue, resources, on_planned, rows) for _ in groups]
    for group, batch in sorted(zip(groups, batches, strict=True), key=lambda pair: -pair[0].epochs):
        batch.add(group.lanes, group.experiment, group.name)
    outcomes: list[dict[LaneKey, LaneOutcome]] = [{} for _ in groups]
    for position, outcome in training.trainer.train(queue, keep_weights):
        index = next(index for index, batch in enumerate(batches) if batch.contains(position))
        outcomes[index] |= batches[index].collect(position, outcome)
    return outcomes


def train_lanes(
    lanes: Iterable[Lane], experiment: Experiment, training: TrainingContext, name: str = "", keep_weights: bool = False
) -> dict[LaneKey, LaneOutcome]:
    """Trains lanes side by side to their stops. Equal lanes are trained once.

    Args:
        lanes: What is to be trained.
        experiment: What the lanes have in common: inputs, losses, early stopping, the order of the rows.
        training: Trains them.
        name: Their description in messages, such as `to confirm trial 3`.
        keep_weights: Whether outcomes have the kept weights.

    Returns:
        The outcome of every lane by its key.
    """
    return train_groups([LaneGroup(list(lanes), experiment, name)], training, keep_weights)[0]


@dataclass(slots=True)
class LaneBatch:
    """Lanes that wait in a queue of populations, or are being trained from it.

    Args:
        queue: Where the populations wait. Others may use it too.
        resources: Where they are trained.
        on_planned: Is called when lanes are added.
        rows: All training rows, those of all folds.
        turn: In the queue. What waits for an earlier turn is trained first.
    """

    queue: PopulationQueue
    resources: Resources
    on_planned: PlanCallback
    rows: int
    turn: int = 0
    _populations: dict[int, Population] = field(default_factory=dict)

    def add(self, lanes: Iterable[Lane], experiment: Experiment, name: str = "") -> None:
        """Packs lanes into populations, and queues these.

        Args:
            lanes: What is to be trained.
            experiment: What the lanes have in common.
            name: Their description in messages.
        """
        distinct = distinct_lanes(lanes)
        populations = packing.pack(distinct, experiment, self.resources, self.rows)
        counted = f"{count_noun(len(distinct), 'network')} in {count_noun(len(populations), 'population')}"
        self.on_planned(sum(lane.stop - lane.start for lane in distinct), f"{counted}, {name}" if name else counted, self.turn)
        self._populations |= zip(self.queue.add(populations, self.turn), populations, strict=True)

    @property
    def is_empty(self) -> bool:
        """Whether all lanes that were added have been collected."""
        return not self._populations

    def contains(self, position: int) -> bool:
        """Whether the population at this position of the queue is of this batch."""
        return position in self._populations

    def collect(self, position: int, outcome: PopulationOutcome) -> dict[LaneKey, LaneOutcome]:
        """The outcomes of a trained population by the keys of its lanes.

        Args:
            position: Of the population in the queue.
            outcome: What the trainer yielded for it.
        """
        lanes = self._populations.pop(position).lanes
        seconds = outcome.seconds / len(lanes)
        return {lane.key: replace(result, seconds=seconds) for lane, result in zip(lanes, outcome.lanes, strict=True)}
