"""The schedule of layers in waves: layers read computed values only, and gradients flow back along every read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from branchsweep.models.architecture import Architecture, branch_points
from branchsweep.training.population import Program
from branchsweep.training.program.layer_schedule import layer_capacity, program_stages, schedule_layers


def program(
    lanes: int = 8, slots: int = 4, heads: int = 3, trunk: int = 8, branch: int = 8, reads_heads: bool = False
) -> Program:
    losses = ("mse",) * heads
    return Program(
        trunk,
        branch,
        16,
        "adam",
        lanes,
        slots,
        3,
        losses,
        ("relu",),
        ("static",),
        trunk_depth=4,
        branch_depth=3,
        reads_heads=reads_heads,
    )


def wave_of(shape: Program, index: int) -> int:
    """The wave of a layer, counted over all stages in the order of computing."""
    before = 0
    for stage in program_stages(shape):
        if index < stage.begin + stage.places:
            return before + (index - stage.begin) // shape.slots
        before += stage.places // shape.slots
    raise AssertionError(index)


def architecture(trunk: int, branches: list[int]) -> Architecture:
    return Architecture((8,) * trunk, {f"h{head}": (8,) * depth for head, depth in enumerate(branches)}, "relu")


def connected(plain: Architecture, exits: list[int], reads: dict[str, str]) -> Architecture:
    """The architecture with branches that begin elsewhere."""
    depth, layers, heads = branch_points(len(plain.trunk), plain.branches, dict(zip(plain.branches, exits, strict=True)), reads)
    return replace(plain, trunk=plain.trunk[:depth], exits=layers, reads=heads)


def random_architectures(count: int, heads: int, seed: int, reads_heads: bool = False) -> list[Architecture]:
    """Random networks; if asked for, some of their branches begin at an earlier layer of the trunk, or at another branch."""
    random = np.random.default_rng(seed)

    def begun_anywhere(plain: Architecture) -> Architecture:
        names = list(plain.branches)
        reads = {head: names[random.integers(index)] for index, head in enumerate(names) if index and random.integers(2)}
        return connected(plain, [int(layer) for layer in random.integers(0, 5, heads)], reads)

    members = [
        architecture(int(random.integers(1, 5)), [int(depth) for depth in random.integers(0, 4, heads)]) for _ in range(count)
    ]
    return [begun_anywhere(member) for member in members] if reads_heads else members


@pytest.mark.parametrize("reads_heads", [False, True])
@pytest.mark.parametrize("branch", [8, 4, 16])
@pytest.mark.parametrize("seed", range(10))
def test_every_layer_reads_the_output_of_an_earlier_wave(seed: int, branch: int, reads_heads: bool) -> None:
    shape = program(branch=branch, reads_heads=reads_heads)
    members = random_architectures(1 + seed % 8, 3, seed, reads_heads)
    layout = schedule_layers(shape, members)
    indices = [index for of_lane in layout.places for index in of_lane]
    assert len(set(indices)) == len(indices)
    assert len(indices) == sum(len(member.trunk) - 1 + sum(map(len, member.branches.values())) for member in members)
    for stage, waves in zip(program_stages(shape), layout.waves, strict=True):
        used = [index - stage.begin for index in indices if stage.begin <= index < stage.begin + stage.places]
        assert max(used, default=-1) < waves * shape.slots <= stage.places
    for lane, of_lane in enumerate(layout.places):
        for index in of_lane:
            row = layout.reads[index]
            assert layout.lane[index] == lane
            assert row == lane or wave_of(shape, row - shape.lanes) < wave_of(shape, index)


@pytest.mark.parametrize("reads_heads", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_gradients_flow_back_once_along_every_read(seed: int, reads_heads: bool) -> None:
    shape, heads = program(reads_heads=reads_heads), 3
    members = random_architectures(8, heads, seed, reads_heads)
    layout = schedule_layers(shape, members)
    zero = heads * shape.lanes
    consumed = sorted(int(row) for consumers in layout.consumers for row in consumers if row != zero)
    outputs = [head * shape.lanes + lane for head in range(heads) for lane in range(len(members))]
    assert consumed == sorted([*outputs, *(zero + 1 + index for of_lane in layout.places for index in of_lane)])
    for of_lane in layout.places:
        for index in of_lane:
            assert zero + 1 + index in layout.consumers[layout.reads[index]]
    for output in outputs:
        assert output in layout.consumers[layout.output_reads[output]]


@pytest.mark.parametrize("reads_heads", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_layer_and_every_branch_have_the_gradients_of_the_heads_behind_them(seed: int, reads_heads: bool) -> None:
    shape = program(reads_heads=reads_heads)
    members = random_architectures(7, 3, seed, reads_heads)
    layout = schedule_layers(shape, members)
    zero = 3 * shape.lanes
    for lane, (member, places) in enumerate(zip(members, layout.places, strict=True)):
        arrived = [head for row in layout.consumers[lane] for head in layout.heads[row]]
        assert sorted(arrived) == [0, 1, 2]
        begin = len(member.trunk) - 1
        for number, (head, branch) in enumerate(member.branches.items()):
            for place in places[begin : begin + len(branch)]:
                behind = {number, *(list(member.branches).index(other) for other in readers(member, head))}
                assert set(layout.heads[zero + 1 + place]) == behind
            begin += len(branch)


def readers(member: Architecture, head: str) -> set[str]:
    """The heads that read a head, or one that reads it."""
    direct = {other for other, read in member.reads.items() if read == head}
    return direct.union(*(readers(member, other) for other in direct))


def test_lanes_of_the_greatest_depth_fit_into_the_capacity() -> None:
    shape = program()
    layout = schedule_layers(shape, [architecture(4, [3, 3, 3])] * shape.lanes)
    assert sum(layout.waves) * shape.slots <= layer_capacity(shape)
    assert layout.waves == (shape.lanes * 12 // shape.slots,)  # and no slot is wasted


@pytest.mark.parametrize("branch", [8, 16])
def test_branches_that_read_each_other_in_a_chain_fit_into_the_capacity(branch: int) -> None:
    shape = program(branch=branch, reads_heads=True)
    chain = connected(architecture(4, [3, 3, 3]), [0, 0, 0], {"h1": "h0", "h2": "h1"})
    for members in ([chain], [chain] * shape.lanes):
        layout = schedule_layers(shape, members)
        for stage, waves in zip(program_stages(shape), layout.waves, strict=True):
            assert waves * shape.slots <= stage.places
    alone = schedule_layers(shape, [chain])
    assert sum(alone.waves) == 3 + 9  # layer by layer


def test_exits_need_no_other_program() -> None:
    """And a head that leaves early does not wait for the rest of the trunk."""
    shape = program(lanes=4, slots=4)
    layout = schedule_layers(shape, [connected(architecture(4, [1, 1, 1]), [1, 2, 0], {})])
    assert layout.waves == (4,)
    trunk, branches = layout.places[0][:3], layout.places[0][3:]
    assert list(layout.reads[list(branches)]) == [0, shape.lanes + trunk[0], shape.lanes + trunk[2]]


def test_layers_of_three_shapes_have_three_stages() -> None:
    """One lane: three trunk layers beyond the first, a branch of three for each head."""
    shape = program(trunk=8, branch=16)
    layout = schedule_layers(shape, [architecture(4, [3, 3, 3])])
    assert [(stage.reads, stage.units) for stage in program_stages(shape)] == [(8, 8), (8, 16), (16, 16)]
    assert layout.waves == (3, 1, 2)  # trunk layers one by one, then the three branches at once
    shallow = replace(shape, trunk_depth=1, branch_depth=1)
    assert [(stage.reads, stage.units) for stage in program_stages(shallow)] == [(8, 16)]


def test_the_layers_of_the_article_network_read_their_predecessors() -> None:
    """PE reads the second trunk layer, V a branch layer after it."""
    shape = program(lanes=4, slots=2, heads=2)
    layout = schedule_layers(shape, [architecture(2, [0, 1])])
    ((trunk, branch),) = layout.places
    assert layout.reads[trunk] == 0
    assert layout.reads[branch] == shape.lanes + trunk
    assert layout.output_reads[0] == shape.lanes + trunk
    assert layout.output_reads[shape.lanes] == shape.lanes + branch
