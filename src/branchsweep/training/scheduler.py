"""Assigns waiting populations to idle workers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from branchsweep.training.cost_model import COMPILE_SECONDS, estimated_seconds
from branchsweep.training.population import Population, Program
from branchsweep.training.resources import Resources

Worker = TypeVar("Worker")

LONG_SECONDS = 3 * COMPILE_SECONDS
"""A population that takes less never comes first for its length: what another order saves may be spent on compiling."""


def next_assignment(
    idle: Mapping[Worker, Container[Program]],
    waiting: Sequence[tuple[int, Population]],
    anywhere: Container[Program],
    resources: Resources,
    rows: int,
) -> tuple[Worker, int]:
    """The next worker to start, and the position of the population that it trains.

    On CPU cores the first that waits comes first if all others, divided among the workers, take no longer than it: later it
    would be trained while other workers have nothing to do. (How long it takes on a GPU is not known.) Else a population whose
    program an idle worker has compiled comes first; then one whose program no worker has compiled; else the first that waits.

    Args:
        idle: The idle workers, at least one, each with the programs that it has compiled.
        waiting: `(position, population)` of what waits, at least one, in the order in which they should start.
        anywhere: The programs that any worker has compiled, busy ones included.
        resources: All workers.
        rows: All training rows, those of all folds.
    """
    first_worker = next(iter(idle))
    if resources.device.kind == "cpu" and _first_is_urgent([population for _, population in waiting], resources.workers, rows):
        waiting = waiting[:1]
    ready = (
        (worker, position) for position, population in waiting for worker, has in idle.items() if population.program in has
    )
    new = ((first_worker, position) for position, population in waiting if population.program not in anywhere)
    return next(ready, next(new, (first_worker, waiting[0][0])))


def _first_is_urgent(waiting: Sequence[Population], workers: int, rows: int) -> bool:
    """Whether the first of these populations takes long, and as long as the workers take for all others."""
    seconds = estimated_seconds(waiting[0], rows, 0)
    if seconds < LONG_SECONDS:
        return False
    of_others = accumulate(estimated_seconds(members, rows, 0) for members in waiting[1:])
    return all(total <= seconds * workers for total in of_others)  # seldom looks at all of many
