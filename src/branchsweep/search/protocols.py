"""The protocols of the search: a `Driver` proposes trials, a `Sampler` suggests points of the search space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from branchsweep.trial import Params, Result, Status, Trial


class Driver(Protocol):
    """Proposes trials and learns from their results, by `ask` and `tell` as in Optuna.

    A driver is not persisted: a new one that is given all recorded results by `tell` proposes what the old one would have
    proposed, because its randomness derives from the experiment's seed and the trials' numbers alone.
    """

    def ask(self, count: int) -> list[Trial]:
        """The next trials, at most `count`, with the lowest numbers that no trial has yet.

        Returns:
            Empty if the search is over.
        """
        ...

    def tell(self, result: Result) -> None:
        """Learn one result, of a trial that this driver proposed or of one recorded earlier.

        To be called in order of the trials' numbers.
        """
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of a point, as a sampler learns it.

    Args:
        status: How the trial ended.
        values: The measured values to maximize, one per objective; empty if the trial failed.
        expected: The same for samplers that learn from complete trials alone. For a pruned trial, the values that it would have
            reached if its score had risen from its rung to the end as much as the complete trials of its round; for a failed
            one, the worst values so far.
        violations: By how much each constraint is violated; at most 0 where it is satisfied.
        epoch: The number of epochs after which the values were measured.
    """

    status: Status
    values: tuple[float, ...]
    expected: tuple[float, ...]
    violations: tuple[float, ...]
    epoch: int


class Sampler(Protocol):
    """Suggests points of the search space, one trial after the other from the first on.

    The driver calls `suggest` until a suggestion is accepted, then `mark_pending`, for every trial of a round; and `observe`
    when a round is over, which need not be the last one. To go back, it makes a new sampler.
    """

    @property
    def is_stateful(self) -> bool:
        """Whether suggestions depend on earlier suggestions, and not on the points and their observations alone.

        The state of a stateful sampler is restored by repeating all its suggestions; any other needs the points alone.
        """
        ...

    @property
    def has_initial_design(self) -> bool:
        """Whether the points before the first observations are those of an evenly spread design instead of suggestions."""
        ...

    @property
    def is_exhaustive(self) -> bool:
        """Whether it enumerates the space, so that the search is over when it has no further point."""
        ...

    def suggest(self, number: int, attempt: int) -> Params | None:
        """Suggest a point of the space for the trial of this number; None if there is none.

        Args:
            number: The trial's number.
            attempt: How many suggestions for this number were rejected, because they had been asked before.
        """
        ...

    def mark_pending(self, params: Params) -> None:
        """Add a point whose result is not known yet: the last suggestion, or another point in its place."""
        ...

    def observe(self, observations: Sequence[Observation | None]) -> None:
        """Learn the results of the points that have been pending longest, in the order of `mark_pending`.

        Args:
            observations: One for each of these points; None for a point that has no result.
        """
        ...
