"""The shapes of a program's hidden layers, and how many of each it has places for (see `training/waves.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from branchsweep.population import Program


@dataclass(frozen=True, slots=True)
class Stage:
    """Hidden layers of one shape, which are computed before those of the next stage.

    Args:
        reads: Units that each of its layers reads.
        units: Units that each of its layers has.
        begin: Its first place.
        places: How many it has.
    """

    reads: int
    units: int
    begin: int
    places: int


def stages(program: Program) -> tuple[Stage, ...]:
    """The stages of a program, in the order of computing.

    Where trunk and branches are of one width, all layers are alike and form a single stage. Else the trunk comes first, then
    the layers with which branches begin, then the rest of the branches: three shapes, none padded to another.
    """
    heads, trunk, branch = len(program.losses), program.trunk_width, program.branch_width
    before, after = program.trunk_depth - 1, program.branch_depth
    if trunk == branch:
        kinds = [(trunk, trunk, before + heads * after, before + after)]
    else:
        kinds = [
            (trunk, trunk, before, before),
            (trunk, branch, heads * min(after, 1), min(after, 1)),
            (branch, branch, heads * max(after - 1, 0), max(after - 1, 0)),
        ]
    found: list[Stage] = []
    begin = 0
    for reads, units, layers, levels in kinds:
        if layers:
            # Enough for every lane at its deepest, and a wave begun for every level.
            places = (-(-program.lanes * layers // program.slots) + levels + 1) * program.slots
            found.append(Stage(reads, units, begin, places))
            begin += places
    return tuple(found)


def capacity(program: Program) -> int:
    """N: the places of all stages."""
    return sum(stage.places for stage in stages(program))
