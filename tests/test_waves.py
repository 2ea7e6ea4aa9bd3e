"""The layout of layers in waves: nothing is read before it is computed, and gradients flow where values came from."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep.population import Program
from branchsweep.recipe import Architecture
from branchsweep.training.waves import capacity, lay_out


def program(lanes: int = 8, slots: int = 4, heads: int = 3) -> Program:
    return Program(8, 16, "adam", lanes, slots, 3, ("mse",) * heads, ("relu",), trunk_depth=4, branch_depth=3)


def architecture(trunk: int, branches: list[int]) -> Architecture:
    return Architecture((8,) * trunk, {f"h{head}": (8,) * depth for head, depth in enumerate(branches)}, "relu")


def random_architectures(count: int, heads: int, seed: int) -> list[Architecture]:
    random = np.random.default_rng(seed)
    return [
        architecture(int(random.integers(1, 5)), [int(depth) for depth in random.integers(0, 4, heads)]) for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(10))
def test_every_layer_reads_what_an_earlier_wave_has_computed(seed: int) -> None:
    shape = program()
    members = random_architectures(1 + seed % 8, 3, seed)
    layout = lay_out(shape, members)
    places = [place for own in layout.places for place in own]
    assert len(set(places)) == len(places) == sum(len(one.trunk) - 1 + sum(map(len, one.branches.values())) for one in members)
    assert max(places, default=-1) < layout.waves * shape.slots <= capacity(shape)
    for lane, own in enumerate(layout.places):
        for place in own:
            row = layout.reads[place]
            assert layout.lane[place] == lane
            assert row == lane or (row - shape.lanes) // shape.slots < place // shape.slots


@pytest.mark.parametrize("seed", range(5))
def test_gradients_flow_back_along_every_read_once(seed: int) -> None:
    shape, heads = program(), 3
    members = random_architectures(8, heads, seed)
    layout = lay_out(shape, members)
    zero = heads * shape.lanes
    back = sorted(int(row) for consumers in layout.consumers for row in consumers if row != zero)
    outputs = [head * shape.lanes + lane for head in range(heads) for lane in range(len(members))]
    assert back == sorted([*outputs, *(zero + 1 + place for own in layout.places for place in own)])
    for own in layout.places:
        for place in own:
            assert zero + 1 + place in layout.consumers[layout.reads[place]]
    for output in outputs:
        assert output in layout.consumers[layout.output_reads[output]]


def test_lanes_at_their_deepest_fit_into_the_capacity() -> None:
    shape = program()
    layout = lay_out(shape, [architecture(4, [3, 3, 3])] * shape.lanes)
    assert layout.waves * shape.slots <= capacity(shape)
    assert layout.waves == shape.lanes * 12 // shape.slots  # and no slot is wasted


def test_the_article_network_reads_as_it_was_drawn() -> None:
    """PE stands on the second trunk layer, V on one branch layer further."""
    shape = program(lanes=4, slots=2, heads=2)
    layout = lay_out(shape, [architecture(2, [0, 1])])
    ((trunk, branch),) = layout.places
    assert layout.reads[trunk] == 0
    assert layout.reads[branch] == shape.lanes + trunk
    assert layout.output_reads[0] == shape.lanes + trunk
    assert layout.output_reads[shape.lanes] == shape.lanes + branch
