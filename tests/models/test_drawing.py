"""Drawings of networks as text: examples, and properties of all drawings."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from branchsweep.config.yaml.loading import load_experiment
from branchsweep.models.architecture import Architecture, branch_points
from branchsweep.models.drawing import COLUMNS, draw_network
from branchsweep.workflows.search_space_summary import known_networks

ROOT = Path(__file__).parents[2]
INPUTS = ["AT", "AP", "RH"]


def picture(text: str) -> list[str]:
    """The lines of a drawing, without trailing spaces."""
    return [line.removeprefix("|") for line in text.strip("\n").split("\n")]


@pytest.mark.parametrize(
    ("architecture", "inputs", "expected"),
    [
        pytest.param(
            Architecture((10, 10), {"PE": (), "V": (10,)}, "relu"),
            INPUTS,
            """
|AT ─┐              ┌──────── PE
|AP ─┼── 10 ── 10 ──┤
|RH ─┘              └── 10 ── V
|        relu, 282 parameters
""",
            id="the article's",
        ),
        pytest.param(
            Architecture((8,), {"y": ()}, "tanh"),
            ["x"],
            """
|x ──── 8 ───── y
|       tanh, 25 parameters
""",
            id="one input, one head",
        ),
        pytest.param(
            Architecture((8,), {"y": (4,)}, "tanh", trunk_dropout=0.1, branch_dropouts={"y": 0.25}),
            ["x"],
            """
|x ──── 8 ───── 4 ── y
|       tanh, 57 parameters
|       dropout 0.1 to 0.25
""",
            id="dropout",
        ),
        pytest.param(
            Architecture((64, 32), {"heat": (128, 64), "steam": (8,), "cost": ()}, "silu"),
            ["load", "wind"],
            """
|load ─┐              ┌── 128 ── 64 ── heat
|      ├── 64 ── 32 ──┼──── 8 ──────── steam
|wind ─┘              └─────────────── cost
|          silu, 15,123 parameters
""",
            id="an even number of inputs, an odd one of heads",
        ),
        pytest.param(
            Architecture((128,) * 16, {"PE": (), "V": (8, 8)}, "relu"),
            INPUTS,
            """
|AT ─┐             ┌────────── PE
|AP ─┼── 128 ×16 ──┤
|RH ─┘             └── 8 ×2 ── V
|        relu, 249,434 parameters
""",
            id="too deep to be spelled out",
        ),
        pytest.param(
            Architecture(tuple(range(100, 84, -1)), {"PE": tuple(range(40, 30, -1)), "V": ()}, "relu"),
            INPUTS,
            """
|AT ─┐
|AP ─┼─ 100 ─ 99 ─ 98 ─ 97 ─ 96 ─ 95 ─ 94 ─ 93 ─ 92 ─ 91 ─ 90 ─ 89 ─ 88 ─ 87 ─ 86 ─ 85 ─┐
|RH ─┘                                                                                  │
| ┌─────────────────────────────────────────────────────────────────────────────────────┘
| ├─ 40 ─ 39 ─ 38 ─ 37 ─ 36 ─ 35 ─ 34 ─ 33 ─ 32 ─ 31 ─ PE
| └─────────────────────────────────────────────────── V
|       relu, 145,673 parameters
""",
            id="branches below the trunk",
        ),
        pytest.param(
            Architecture((10, 10, 10), {"PE": (5,), "V": (), "Q": (8, 6)}, "relu", exits={"PE": 1, "V": 2}),
            INPUTS,
            """
|AT ─┐
|AP ─┼── 10 ──┬── 10 ──┬── 10 ── 8 ── 6 ── Q
|RH ─┘        │        └────────────────── V
|             └── 5 ────────────────────── PE
|        relu, 481 parameters
""",
            id="heads that leave the trunk early",
        ),
        pytest.param(
            Architecture((10,), {"PE": (9,), "V": (8,), "Q": (7,), "T": ()}, "relu", reads={"V": "PE", "Q": "V", "T": "PE"}),
            INPUTS,
            """
|AT ─┐
|AP ─┼── 10 ── 9 ──┬─────────────── PE
|RH ─┘             ├── 8 ──┬─────── V
|                  │       └── 7 ── Q
|                  └─────────────── T
|        relu, 319 parameters
""",
            id="heads that read each other",
        ),
    ],
)
def test_a_drawing(architecture: Architecture, inputs: list[str], expected: str) -> None:
    assert [line.rstrip() for line in draw_network(architecture, inputs)] == picture(expected)


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        pytest.param(
            "toy_sequential",
            (3 * 4 + 4) + (4 * 4 + 4) + (4 + 1),
            """
|AT ─┐
|AP ─┼── 4 ── 4 ───── PE
|RH ─┘
|        relu, 41 parameters
""",
            id="a chain",
        ),
        pytest.param(
            "toy_branched",
            (3 * 4 + 4) + (4 * 4 + 4) + (4 + 1) + (4 * 4 + 4) + (4 + 1),
            """
|AT ─┐            ┌─────── PE
|AP ─┼── 4 ── 4 ──┤
|RH ─┘            └── 4 ── V
|        relu, 66 parameters
""",
            id="a fork after the second layer",
        ),
    ],
)
def test_the_drawings_of_the_tutorial(name: str, parameters: int, expected: str) -> None:
    (toy,) = known_networks(load_experiment(ROOT / "experiments" / f"{name}.yaml"))
    assert (toy.known, toy.parameters) == ("toy", parameters)
    assert [line.rstrip() for line in toy.picture] == picture(expected)


def networks(count: int) -> list[tuple[Architecture, list[str]]]:
    """Random networks of all sizes, some with a different width in every layer."""
    random = np.random.default_rng(4)

    def stack(least: int) -> tuple[int, ...]:
        depth, widths = int(random.integers(least, 17)), random.integers(1, 1025, 16)
        return tuple(int(width) for width in (widths if random.integers(2) else widths[:1].repeat(16))[:depth])

    def names(letters: str, count: int) -> list[str]:
        return [letter * int(random.integers(1, 30)) for letter in letters[:count]]

    return [
        (
            Architecture(stack(1), {head: stack(0) for head in names("ABCDEF", int(random.integers(1, 7)))}, "gelu"),
            names("abcdefgh", int(random.integers(1, 9))),
        )
        for _ in range(count)
    ]


def begun_elsewhere(architecture: Architecture, seed: int) -> Architecture:
    """The architecture with some branches that begin at an earlier layer of the trunk, or at another branch."""
    random, heads = np.random.default_rng(seed), list(architecture.branches)
    reads = {head: heads[random.integers(index)] for index, head in enumerate(heads) if index and random.integers(2)}
    exits = {head: int(random.integers(0, 17)) for head in heads}
    points = branch_points(len(architecture.trunk), architecture.branches, exits, reads)
    return replace(architecture, trunk=architecture.trunk[: points.depth], exits=points.exits, reads=points.reads)


@pytest.mark.parametrize(("architecture", "inputs"), networks(40))
def test_a_drawing_of_branches_that_begin_anywhere_has_all_inputs_layers_and_heads(
    architecture: Architecture, inputs: list[str]
) -> None:
    network = begun_elsewhere(architecture, len(inputs))
    lines = draw_network(network, inputs)
    assert len({len(line) for line in lines}) == 1
    *diagram, caption = lines
    assert caption.split() == ["gelu,", f"{network.parameters(len(inputs)):,}", "parameters"]
    assert Counter(layers("\n".join(diagram))) == Counter(chain(network.trunk, *network.branches.values()))
    for head, units in network.branches.items():
        (line,) = [line for line in diagram if re.search(rf"─ {head[:10]}{head[0]}*…? *$", line)]
        assert head in network.reads.values() or layers(line)[-len(units) :] == list(units) or not units


@pytest.mark.parametrize(("architecture", "inputs"), networks(60))
def test_a_drawing_fits_the_columns_and_has_all_inputs_layers_and_heads(architecture: Architecture, inputs: list[str]) -> None:
    lines = draw_network(architecture, inputs)
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= COLUMNS
    assert len(lines) <= len(inputs) + len(architecture.branches) + 4
    *diagram, caption = lines
    assert caption.split() == ["gelu,", f"{architecture.parameters(len(inputs)):,}", "parameters"]
    assert Counter(layers("\n".join(diagram))) == Counter(chain(architecture.trunk, *architecture.branches.values()))
    for name in inputs:
        assert len([line for line in diagram if line.lstrip().startswith(name[:10])]) == 1
    for head, units in architecture.branches.items():
        (line,) = [line for line in diagram if re.search(rf"─ {head[:10]}{head[0]}*…? *$", line)]
        assert layers(line)[-len(units) :] == list(units) or not units


def layers(text: str) -> list[int]:
    """The units of each layer in a drawing."""
    return [int(width) for width, times in re.findall(r"(\d+)(?: ×(\d+))?", text) for _ in range(int(times or 1))]


def test_a_drawing_fits_a_narrow_terminal() -> None:
    network = Architecture((64, 64, 32, 32), {"PE": (16, 16), "V": (8,)}, "relu")
    wide, narrow = draw_network(network, INPUTS), draw_network(network, INPUTS, columns=48)
    assert len(wide[0]) > 48 >= len(narrow[0])
