"""The role of a library's searcher: what `rounds` asks of Optuna's samplers and of KerasTuner's oracles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from branchsweep.trial import Params, Result, Status, Trial


class Driver(Protocol):
    """Suggests trials and learns from their scores. Two verbs.

    A driver holds no history that could not be rebuilt: a fresh one that is told all recorded results asks what the old one
    would have asked, for its randomness derives from the experiment's seed and the trial's number alone.
    """

    def ask(self, count: int) -> list[Trial]:
        """The next trials, at most `count`, numbered on from those asked or told. Empty: the search is over."""
        ...

    def tell(self, result: Result) -> None:
        """Learn one result; of a trial this driver asked, or of one recorded earlier. Told in order of the trials' numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """What a question has brought, as a searcher learns it.

    Args:
        status: How the trial ended.
        values: What the search maximises, one number per objective, as measured; empty where the trial failed.
        expected: The same for a searcher that knows complete trials only. Of a pruned one, what it would have reached had it
            gained as much as those of its round that went on from there; of a failed one, the worst that was seen.
        violations: By how much each constraint is violated; at most 0 where it is met.
        epoch: Epochs behind the values.
    """

    status: Status
    values: tuple[float, ...]
    expected: tuple[float, ...]
    violations: tuple[float, ...]
    epoch: int


class Sampler(Protocol):
    """A searcher that is wound forward question by question, from nothing to where a sweep stands.

    The driver calls `suggest` until it likes what it gets, then `keep`, for every trial of a round; and `settle` when a
    round is over, which need not be the last one. It makes a new sampler whenever it has to go back.
    """

    @property
    def is_stateful(self) -> bool:
        """Whether what it suggests depends on what it suggested before, and not on questions and answers alone.

        One that does is wound forward by asking it again all that it was asked; any other is only told.
        """
        ...

    @property
    def has_initial_design(self) -> bool:
        """Whether what is asked before the first answers should be an evenly spread set of points, rather than suggestions."""
        ...

    @property
    def is_exhaustive(self) -> bool:
        """Whether it goes through the space point by point: the search is over when it has nothing more to ask."""
        ...

    def suggest(self, number: int, attempt: int) -> Params | None:
        """What it would ask as the trial of this number: a point of the space; None if it has nothing to ask.

        Args:
            number: Of the trial.
            attempt: How many suggestions for this number were turned down, for they had been asked before.
        """
        ...

    def mark_pending(self, params: Params) -> None:
        """A point of the space that is open from now on: the last suggestion, or another in its place."""
        ...

    def observe(self, answers: Sequence[Observation | None]) -> None:
        """What those points have brought that have been open longest, in the order of keeping; None for what has no answer."""
        ...
