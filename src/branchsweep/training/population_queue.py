"""The queue of populations that wait to be trained."""

from __future__ import annotations

from collections.abc import Iterable

from branchsweep.training.population import Population


class PopulationQueue:
    """Populations that wait for somebody to train them, each known by its position, from 0.

    Who trains takes from it what is next, and goes on for as long as there is something: more may be added while that lasts.
    Those of an earlier turn go first, and of one turn those that were added first.

    Args:
        populations: What stands in line from the beginning.
    """

    def __init__(self, populations: Iterable[Population] = ()) -> None:
        self._waiting: list[tuple[int, int, Population]] = []  # turn, position, population
        self._added = 0
        self.add(populations)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, populations: Iterable[Population], turn: int = 0) -> list[int]:
        """More of them, and their positions."""
        added = [(turn, position, population) for position, population in enumerate(populations, self._added)]
        self._added += len(added)
        self._waiting = sorted([*self._waiting, *added], key=_turn)
        return [position for _, position, _ in added]

    @property
    def next(self) -> list[tuple[int, Population]]:
        """Whose turn it is, the first one first."""
        return [(position, population) for turn, position, population in self._waiting if turn == self._waiting[0][0]]

    def take(self, position: int) -> Population:
        """The population of this position, which waits no longer."""
        place = next(place for place, (_, waiting, _) in enumerate(self._waiting) if waiting == position)
        return self._waiting.pop(place)[2]

    def put_back(self, position: int, population: Population) -> None:
        """One that was taken in vain, before all others."""
        self._waiting.insert(0, (-1, position, population))


def _turn(entry: tuple[int, int, Population]) -> int:
    return entry[0]
