"""What a trainer does, and what it reports about its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.exported_model import ExportedModel
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Resources
from branchsweep.types import Floats

LOST_WORKERS_ADVICE = "most often for want of memory. What was finished is recorded: run the same command again to go on"
"""The end of the message that workers were lost over the same population again and again."""


class Trainer(Protocol):
    """Trains populations, and exports trained lanes as a model."""

    @property
    def resources(self) -> Resources:
        """How many populations train at once, and on what: lanes are packed for it."""
        ...

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows of the same columns from now on; nothing is in training meanwhile. Compiled programs stay."""
        ...

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its stops; yields (position, outcome) as they finish, in any order.

        What is added to the queue meanwhile is trained as well, until nothing waits. A lane's outcome does not depend on the
        other lanes, nor on where or when its population was trained.
        """
        ...

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write lanes that were trained on all training rows as one model.

        The files are `model.keras`, `serving.json`, and an `encoder_KIND.py` for each kind of encoder that the model has. The
        model predicts the mean of what its members do in natural units, each with its share.

        Args:
            folder: Made if it is not there.
            model: The lanes, and what their columns are called.
        """
        ...

    def predict(self, folder: Path, x: Floats) -> Floats:
        """The predictions of the exported model: inputs `(rows, inputs)` to targets `(rows, heads)`, both in natural units."""
        ...

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """Seconds that the exported model takes to predict for inputs `(rows, inputs)` where it is served, loading apart."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The state of the workers.

    Args:
        workers: How many there are.
        training: How many of them train.
        waiting: Populations that wait.
        nodes: The machines of a cluster on which the workers are; 0 for processes of this machine.
    """

    workers: int = 0
    training: int = 0
    waiting: int = 0
    nodes: int = 0

    def __str__(self) -> str:
        where = f" on {self.nodes} node{'s' * (self.nodes != 1)}" if self.nodes else ""
        wait = f", {self.waiting} population{'s' * (self.waiting != 1)} waiting" if self.waiting else ""
        return f"{self.training} of {self.workers} training{where}{wait}"


@dataclass(frozen=True, slots=True)
class WorkerCallbacks:
    """What workers call while they train.

    Args:
        on_trained: Called with the lane-epochs trained since the last call.
        on_message: Called with a sentence for the user, such as when workers of a cluster join or are lost.
        on_status: Called with the state of the workers, at every poll.
    """

    on_trained: Callable[[float], None] = lambda lane_epochs: None
    on_message: Callable[[str], None] = lambda message: None
    on_status: Callable[[WorkerStatus], None] = lambda status: None


NO_CALLBACKS = WorkerCallbacks()
"""Callbacks that do nothing."""
