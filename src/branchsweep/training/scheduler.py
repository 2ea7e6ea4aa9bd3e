"""Assigns waiting populations to idle workers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeVar

from branchsweep.training.cost_model import COMPILE_SECONDS, relative_cost
from branchsweep.training.population import Population, Program

Worker = TypeVar("Worker")

LONG_SECONDS = 3 * COMPILE_SECONDS
"""A population that takes less never comes first for its length: what another order saves may be spent on compiling."""


def next_assignment(
    idle: Mapping[Worker, Container[Program]],
    waiting: Sequence[tuple[int, Population]],
    anywhere: Container[Program],
    workers: int,
    rows: int,
) -> tuple[Worker, int]:
    """The next worker to start, and the position of the population that it trains.

    The first that waits comes first if all others, divided among the workers, take no longer than it: later it would be trained
    while other workers have nothing to do. Else a population whose program an idle worker has compiled comes first; then one
    whose program no worker has compiled; else the first that waits.

    Args:
        idle: The idle workers, at least one, each with the programs that it has compiled.
        waiting: `(position, population)` of what waits, at least one, in the order in which they should start.
        anywhere: The programs that any worker has compiled, busy ones included.
        workers: The number of all workers.
        rows: All training rows, those of all folds.
    """
    first_worker = next(iter(idle))
    ready = (
        (worker, position) for position, population in waiting for worker, has in idle.items() if population.program in has
    )
    if _first_is_urgent([population for _, population in waiting], workers, rows):
        return next(
            ((worker, position) for worker, position in ready if position == waiting[0][0]), (first_worker, waiting[0][0])
        )
    new = ((first_worker, position) for position, population in waiting if population.program not in anywhere)
    return next(ready, next(new, (first_worker, waiting[0][0])))


def _first_is_urgent(waiting: Sequence[Population], workers: int, rows: int) -> bool:
    """Whether the first of these populations takes long, and as long as the workers take for all others."""
    seconds = relative_cost(waiting[0], rows)
    return seconds >= LONG_SECONDS and seconds * workers >= sum(relative_cost(members, rows) for members in waiting[1:])
