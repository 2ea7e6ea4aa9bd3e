"""Who trains what next: an idle worker, and a population that waits."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeVar

from branchsweep.training.population import Population, Program

Worker = TypeVar("Worker")


def next_assignment(
    idle: Mapping[Worker, Container[Program]], waiting: Sequence[tuple[int, Population]], anywhere: Container[Program]
) -> tuple[Worker, int]:
    """An idle worker, and the first population whose program it has; else one whose program nobody has; else the first.

    Args:
        idle: Workers, each with the programs that it has compiled.
        waiting: Populations with their positions, in the order in which they should be begun.
        anywhere: What some worker, busy ones included, has compiled.
    """
    anyone = next(iter(idle))
    ready = ((worker, position) for position, of in waiting for worker, has in idle.items() if of.program in has)
    new = ((anyone, position) for position, of in waiting if of.program not in anywhere)
    return next(ready, next(new, (anyone, waiting[0][0])))
