"""The callback by which a workflow reports its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from branchsweep.config.experiment import Experiment
from branchsweep.training.protocols import WorkerStatus
from branchsweep.trial import Result


@dataclass(frozen=True, slots=True)
class ProgressStatus:
    """The progress of a running workflow, as a sweep records it at its heartbeat.

    Args:
        activity: What is done now, in words.
        elapsed: Seconds since the start.
        seconds_left: Estimated seconds of what is planned; None while there is no estimate.
        workers: Number of workers; 0 where it is unknown.
        training: How many of them train.
        waiting: Populations that wait for a worker.
        nodes: Machines of a cluster; 0 for processes of one machine.
    """

    activity: str = ""
    elapsed: float = 0.0
    seconds_left: float | None = None
    workers: int = 0
    training: int = 0
    waiting: int = 0
    nodes: int = 0


class ProgressCallback(Protocol):
    """Is called while a workflow runs, to show its progress."""

    def on_search_begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """The search begins, or is resumed with the results recorded so far."""
        ...

    def on_round_begin(self, trials: int) -> None:
        """A round of this many trials begins, including those that are recorded already."""
        ...

    def on_training_planned(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """So much is about to be trained, in addition to what was planned before.

        Args:
            lane_epochs: How much.
            what: Their description in messages.
            turn: In a search, for which of its rounds, from 0.
        """
        ...

    def on_trained(self, lane_epochs: float) -> None:
        """So much more has been trained."""
        ...

    def on_worker_status(self, status: WorkerStatus) -> None:
        """The state of the workers; called several times a second, as long as something is trained."""
        ...

    def on_trial_end(self, result: Result) -> None:
        """A trial has its score."""
        ...

    def on_stage(self, sentence: str) -> None:
        """The previous stage is over, and the stage that this sentence describes begins."""
        ...

    def on_message(self, sentence: str) -> None:
        """A message for the user, as one line."""
        ...

    def status(self) -> ProgressStatus:
        """The progress at present; called by another thread."""
        ...


class NoProgress:
    """A `ProgressCallback` that does nothing."""

    def on_search_begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """Do nothing."""

    def on_round_begin(self, trials: int) -> None:
        """Do nothing."""

    def on_training_planned(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """Do nothing."""

    def on_trained(self, lane_epochs: float) -> None:
        """Do nothing."""

    def on_worker_status(self, status: WorkerStatus) -> None:
        """Do nothing."""

    def on_trial_end(self, result: Result) -> None:
        """Do nothing."""

    def on_stage(self, sentence: str) -> None:
        """Do nothing."""

    def on_message(self, sentence: str) -> None:
        """Do nothing."""

    def status(self) -> ProgressStatus:
        """Nothing is known."""
        return ProgressStatus()
