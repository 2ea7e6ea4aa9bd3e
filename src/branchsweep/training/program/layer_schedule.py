"""The layer schedule: positions for the hidden layers of a population, so that S layers are computed at a time.

Hidden layers of one shape form a *stage*. A stage has *places*: positions in its arrays, one per layer. S successive places are
a *wave*, which one step of a loop computes; each of its S positions is a *slot*. A layer may be in a wave only if an earlier
wave has computed its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from branchsweep.models.architecture import Architecture
from branchsweep.training.population import Program


@dataclass(frozen=True, slots=True)
class Stage:
    """Hidden layers of one shape, which are computed before those of the next stage.

    Args:
        reads: Input units of each of its layers.
        units: Output units of each of its layers.
        begin: Its first place, counted over all stages.
        places: The number of its places.
    """

    reads: int
    units: int
    begin: int
    places: int


def program_stages(program: Program) -> tuple[Stage, ...]:
    """The stages of a program, in the order in which they are computed.

    Where trunk and branches are of one width, all layers are alike and form a single stage. Else the trunk comes first, then
    the layers with which branches begin at the trunk, then the rest of the branches: three shapes, none padded to another.
    """
    heads, trunk, branch = len(program.losses), program.trunk_width, program.branch_width
    before, after = program.trunk_depth - 1, program.branch_depth
    # Of each lane, the most branches that follow one another, and the fewest that begin at the trunk.
    chain, begin = (heads, 1) if program.reads_heads else (1, heads)
    if trunk == branch:
        kinds = [(trunk, trunk, before + heads * after, before + chain * after)]
    else:
        kinds = [
            (trunk, trunk, before, before),
            (trunk, branch, heads * min(after, 1), min(after, 1)),
            (branch, branch, max(heads * after - begin, 0), max(chain * after - 1, 0)),
        ]
    found: list[Stage] = []
    place = 0
    for reads, units, layers, levels in kinds:
        if layers:
            # Enough for every lane at the greatest depth, and a wave that is not full for every level.
            places = (-(-program.lanes * layers // program.slots) + levels + 1) * program.slots
            found.append(Stage(reads, units, place, places))
            place += places
    return tuple(found)


def layer_capacity(program: Program) -> int:
    """N: the places of all stages."""
    return sum(stage.places for stage in program_stages(program))


Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LayerSchedule:
    """The position of every hidden layer of a population. The letters are those of `program_arrays`.

    Args:
        waves: By stage, the number of waves that are used.
        lane_waves: The number of groups of S lanes that are used.
        reads: `(N,)` by place, the activation row that its layer reads.
        lane: `(N,)` by place, the lane of its layer.
        output_reads: `(H*K,)` by output, the activation row that it reads.
        consumers: `(K + N, H)` by activation row, the gradient rows that are summed into its gradient; row H*K, which is always
            zero, where there are fewer. There are never more, as each of them has the gradient of at least one head.
        heads: By gradient row, the heads whose losses have a part in it.
        places: By lane, the places of its layers: the trunk from the second layer on, then the branch of each head.
    """

    waves: tuple[int, ...]
    lane_waves: int
    reads: Ints
    lane: Ints
    output_reads: Ints
    consumers: Ints
    heads: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class _Layer:
    """A hidden layer that gets a place."""

    lane: int
    reads: _Layer | None  # None: the lane's first layer
    shape: tuple[int, int]  # padded input units and output units
    heads: list[int] = field(default_factory=list)  # whose outputs depend on it
    height: int = 1  # the length of the longest chain of layers that depend on it, itself included
    place: int = -1


def schedule_layers(program: Program, architectures: Sequence[Architecture]) -> LayerSchedule:
    """Places for all hidden layers, so that each reads only what an earlier wave has computed.

    Layers with the longest chains of dependent layers come first (Hu 1961, the critical path rule for unit tasks), which fills
    the waves.

    Args:
        program: The shapes.
        architectures: One for each lane, at most `program.lanes`.
    """
    K, S, N, heads = program.lanes, program.slots, layer_capacity(program), len(program.losses)
    parts = program_stages(program)
    layers: list[_Layer] = []
    ends: list[list[_Layer | None]] = []
    per_lane: list[list[_Layer]] = []
    for lane, architecture in enumerate(architectures):
        own = _layers_of(lane, architecture, program)
        per_lane.append(own[0])
        ends.append(own[1])
        layers += own[0]

    waves = tuple(_fill(stage, S, [layer for layer in layers if layer.shape == (stage.reads, stage.units)]) for stage in parts)
    zero = heads * K
    reads, lane_of = np.zeros(N, np.int32), np.zeros(N, np.int32)
    flows: list[list[int]] = [[] for _ in range(K + N)]
    heads_of_row: list[tuple[int, ...]] = [(row // K,) for row in range(zero)] + [()] * (1 + N)
    for layer in layers:
        row = _row(layer.reads, layer.lane, K)
        reads[layer.place], lane_of[layer.place] = row, layer.lane
        flows[row].append(zero + 1 + layer.place)
        heads_of_row[zero + 1 + layer.place] = tuple(layer.heads)
    output_reads = np.zeros(heads * K, np.int32)
    for lane, lane_ends in enumerate(ends):
        for head, end in enumerate(lane_ends):
            row = _row(end, lane, K)
            output_reads[head * K + lane] = row
            flows[row].append(head * K + lane)
    consumers = np.full((K + N, heads), zero, np.int32)
    for row, incoming in enumerate(flows):
        consumers[row, : len(incoming)] = incoming
    return LayerSchedule(
        waves=waves,
        lane_waves=-(-len(architectures) // S),
        reads=reads,
        lane=lane_of,
        output_reads=output_reads,
        consumers=consumers,
        heads=tuple(heads_of_row),
        places=tuple(tuple(layer.place for layer in own) for own in per_lane),
    )


def _fill(stage: Stage, slots: int, layers: list[_Layer]) -> int:
    """Assign places to the layers of a stage, after those of earlier stages, and return the number of waves that they take."""
    waiting = sorted(layers, key=lambda layer: -layer.height)  # stable: equal heights stay in the order of lanes
    wave = 0
    while waiting:
        first_place = stage.begin + wave * slots
        ready = [layer for layer in waiting if layer.reads is None or -1 < layer.reads.place < first_place][:slots]
        for slot, layer in enumerate(ready):
            layer.place = first_place + slot
        waiting = [layer for layer in waiting if layer.place < 0]
        wave += 1
    return wave


def _layers_of(lane: int, architecture: Architecture, program: Program) -> tuple[list[_Layer], list[_Layer | None]]:
    """A lane's hidden layers after the first, in the order of its weights, and the layer that each head's output reads."""
    layers: list[_Layer] = []

    def stack(read: _Layer | None, units: int, depth: int) -> list[_Layer | None]:
        """The layer that is read, and so many more, each of which reads the one before."""
        found = [read]
        for _ in range(depth):
            last = found[-1]
            layers.append(_Layer(lane, last, (last.shape[1] if last else program.trunk_width, units)))
            found.append(layers[-1])
        return found

    trunk = stack(None, program.trunk_width, len(architecture.trunk) - 1)
    ends: dict[str, _Layer | None] = {}
    for number, (head, branch) in enumerate(architecture.branches.items()):
        end = stack(architecture.origin(head, trunk, ends), program.branch_width, len(branch))[-1]
        ends[head] = end
        while end:
            end.heads.append(number)
            end = end.reads
    for layer in reversed(layers):  # a layer comes after the one that it reads
        if layer.reads:
            layer.reads.height = max(layer.reads.height, layer.height + 1)
    return layers, list(ends.values())


def _row(layer: _Layer | None, lane: int, lanes: int) -> int:
    """The activation row of a layer; None is the lane's first layer."""
    return lane if layer is None else lanes + layer.place
