"""The queue of populations that wait to be trained."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.training.population import Population


class PopulationQueue:
    """Populations that wait to be trained, each known by its position, from 0.

    A trainer takes the next one for as long as there is one; more may be added meanwhile. Populations of an earlier turn come
    first, and within a turn those that were added first.

    Args:
        populations: What waits from the beginning.
    """

    def __init__(self, populations: Iterable[Population] = ()) -> None:
        self._waiting: list[tuple[int, int, Population]] = []  # turn, position, population
        self._added = 0
        self.add(populations)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, populations: Iterable[Population], turn: int = 0) -> list[int]:
        """Adds populations, and returns their positions."""
        added = [(turn, position, population) for position, population in enumerate(populations, self._added)]
        self._added += len(added)
        self._waiting = sorted([*self._waiting, *added], key=_turn)
        return [position for _, position, _ in added]

    @property
    def next(self) -> list[tuple[int, Population]]:
        """Positions and populations of the earliest turn, in order."""
        return [(position, population) for turn, position, population in self._waiting if turn == self._waiting[0][0]]

    def take(self, position: int) -> Population:
        """Removes the population at this position, and returns it."""
        index = next(index for index, (_, waiting, _) in enumerate(self._waiting) if waiting == position)
        return self._waiting.pop(index)[2]

    def put_back(self, position: int, population: Population) -> None:
        """Puts a population that was taken but not trained before all others."""
        self._waiting.insert(0, (-1, position, population))


def _turn(entry: tuple[int, int, Population]) -> int:
    return entry[0]
