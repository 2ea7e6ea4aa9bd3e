"""Assigns waiting populations to idle workers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeVar

from branchsweep.training.population import Population, Program

Worker = TypeVar("Worker")


def next_assignment(
    idle: Mapping[Worker, Container[Program]], waiting: Sequence[tuple[int, Population]], anywhere: Container[Program]
) -> tuple[Worker, int]:
    """The next worker to start, and the position of the population that it trains.

    A population whose program an idle worker has compiled comes first; then one whose program no worker has compiled; else the
    first that waits.

    Args:
        idle: The idle workers, at least one, each with the programs that it has compiled.
        waiting: `(position, population)` of what waits, at least one, in the order in which they should start.
        anywhere: The programs that any worker has compiled, busy ones included.
    """
    first_worker = next(iter(idle))
    ready = (
        (worker, position) for position, population in waiting for worker, has in idle.items() if population.program in has
    )
    new = ((first_worker, position) for position, population in waiting if population.program not in anywhere)
    return next(ready, next(new, (first_worker, waiting[0][0])))
