"""The queue of populations that wait to be trained."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.training.population import Population


class PopulationQueue:
    """Populations that wait to be trained, each identified by its position, counted from 0 in the order of adding.

    A trainer takes populations until the queue is empty; more may be added meanwhile. Populations of a lower turn come first,
    and within a turn those that were added first.

    Args:
        populations: Populations of turn 0.
    """

    def __init__(self, populations: Iterable[Population] = ()) -> None:
        self._waiting = [(0, position, population) for position, population in enumerate(populations)]  # the turn comes first
        self._added = len(self._waiting)

    def __len__(self) -> int:
        """The number of populations that wait."""
        return len(self._waiting)

    def add(self, populations: Iterable[Population], turn: int = 0) -> list[int]:
        """Add populations, and return their positions.

        Args:
            populations: What to train.
            turn: Their priority: lower turns come first.
        """
        added = [(turn, position, population) for position, population in enumerate(populations, self._added)]
        self._added += len(added)
        self._waiting = sorted([*self._waiting, *added], key=_turn)
        return [position for _, position, _ in added]

    @property
    def next(self) -> list[tuple[int, Population]]:
        """`(position, population)` of the lowest turn that waits, in order."""
        return [(position, population) for turn, position, population in self._waiting if turn == self._waiting[0][0]]

    def take(self, position: int) -> Population:
        """Remove the population at this position, and return it."""
        index = next(index for index, (_, waiting, _) in enumerate(self._waiting) if waiting == position)
        return self._waiting.pop(index)[2]

    def put_back(self, position: int, population: Population) -> None:
        """Put a population that was taken but not trained back at the head of the queue."""
        self._waiting.insert(0, (-1, position, population))


def _turn(entry: tuple[int, int, Population]) -> int:
    return entry[0]
