"""Draws a branched network as text: inputs that join the trunk, its layers with their units, the fork, each branch to its head.

    AT ─┐              ┌──────── PE
    AP ─┼── 10 ── 10 ──┤
    RH ─┘              └── 10 ── V
        relu, 282 parameters

A network that is too wide for this is drawn closer, then with equal layers in a row told once (`64 ×12`), and at last with its
branches below the trunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from branchsweep.recipe import Architecture

COLUMNS = 100
"""Of a picture, at most."""

Joints = tuple[str, str, str, str]
"""Where a line meets others: in the first row, in one between, in the last, and in a row 0 that holds none of them."""

JOIN: Joints = ("┐", "┤", "┘", "├")
FORK: Joints = ("┌", "├", "└", "┤")


@dataclass(frozen=True, slots=True)
class Style:
    """How a network is drawn.

    Args:
        line: Between two layers.
        margin: Around a layer's units.
        runs: Whether equal layers in a row are told once.
        below: Whether the branches stand below the trunk.
        name: Letters of an input's or a head's name, at most.
    """

    line: str = "──"
    margin: str = " "
    runs: bool = False
    below: bool = False
    name: int = 24

    def cells(self, units: Sequence[int]) -> list[str]:
        """The layers of a stack, in words."""
        counts = (
            [(width, len(list(alike))) for width, alike in groupby(units)] if self.runs else [(width, 1) for width in units]
        )
        words = (f"{width} ×{count}" if count > 1 else f"{width}" for width, count in counts)
        return [f"{self.margin}{word}{self.margin}" for word in words]

    def clipped(self, name: str) -> str:
        """A name that is not too long."""
        return name if len(name) <= self.name else f"{name[: self.name - 1]}…"


STYLES = (
    Style(),
    Style(line="─"),
    Style(runs=True),
    Style(line="─", runs=True, name=14),
    Style(below=True),
    Style(line="─", below=True),
    Style(line="─", margin="", below=True, name=14),
    Style(line="─", margin="", runs=True, below=True, name=14),
)
"""The airiest that fits is taken."""


def draw(architecture: Architecture, inputs: Sequence[str], columns: int = COLUMNS) -> list[str]:
    """The picture, line by line, all of equal length.

    Args:
        architecture: The network; its heads are in the order of its branches.
        inputs: The names of the input columns, at least one.
        columns: Letters of a line, at most. Widths of up to four digits in stacks of up to 16 layers always fit into 100.
    """
    pictures = [_picture(architecture, inputs, style) for style in STYLES]
    return next((picture for picture in pictures if len(picture[0]) <= columns), pictures[-1])


def _picture(architecture: Architecture, inputs: Sequence[str], style: Style) -> list[str]:
    joined = _joined(inputs, style)
    trunk = style.line.join(["", *style.cells(architecture.trunk), ""])
    lines = (_under if style.below else _beside)(joined, trunk, _branches(architecture.branches, style))
    caption = f"{architecture.activation}, {architecture.parameters(len(inputs)):,} parameters"
    lines.append(f"{'':{len(joined[0] + style.line + style.margin)}}{caption}")
    length = max(map(len, lines))
    return [line.ljust(length) for line in lines]


def _beside(joined: Mapping[int, str], trunk: str, branches: Sequence[str]) -> list[str]:
    """The trunk in the middle row, the inputs to its left and the branches to its right."""
    forked = {row: _joint(row, len(branches), FORK) + branch for row, branch in _rows(branches)}
    blank, reach = " " * len(joined[0]), max(*joined, *forked)

    def line(row: int) -> str:
        if row == 0:
            return joined[0] + trunk + forked.get(0, "┤")
        return f"{joined.get(row, blank)}{'':{len(trunk)}}{forked.get(row, '')}"

    return [line(row) for row in range(-reach, reach + 1)]


def _under(joined: Mapping[int, str], trunk: str, branches: Sequence[str]) -> list[str]:
    """The inputs and the trunk, which then turns back to the left, and the branches below."""
    lines = []
    for row in range(min(joined), max(joined) + 1):
        after = f"{trunk}┐" if row == 0 else f"{'':{len(trunk)}}{'│' if row > 0 else ' '}"
        lines.append(joined[row] + after)
    *others, last = branches
    lines.append(f" ┌{'':─<{len(lines[-1]) - 3}}┘")
    return [*lines, *(f" ├{branch}" for branch in others), f" └{last}"]


def _joined(inputs: Sequence[str], style: Style) -> dict[int, str]:
    """By row from the trunk's, which is 0: the inputs, and where they join the trunk."""
    names = [style.clipped(name) for name in inputs]
    length = max(map(len, names))
    rows = {row: f"{name:>{length}} ─" for row, name in _rows(names)}
    reach = max(rows)
    return {row: rows.get(row, f"{'':{length + 2}}") + _joint(row, len(names), JOIN) for row in range(-reach, reach + 1)}


def _branches(branches: Mapping[str, Sequence[int]], style: Style) -> list[str]:
    """Each branch with its head's name. Layers of equal depth stand below each other, and so do the heads."""
    cells = [style.cells(units) for units in branches.values()]
    lengths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
    stacks = [
        style.line.join(["", *(f"{cell:─>{length}}" for cell, length in zip(stack, lengths, strict=False)), ""])
        for stack in cells
    ]
    end = max(map(len, stacks))
    return [f"{stack:─<{end}} {style.clipped(head)}" for stack, head in zip(stacks, branches, strict=True)]


def _rows(things: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Rows for things around row 0, which an even number of them leaves free."""
    half = len(things) // 2
    return zip((row for row in range(-half, half + 1) if row or len(things) % 2), things, strict=True)


def _joint(row: int, count: int, joints: Joints) -> str:
    """What stands in a row where so many lines meet in one."""
    if count == 1:
        return "─"
    first, between, last, free = joints
    if row == 0:
        return "┼" if count % 2 else free
    return first if row == -(count // 2) else last if row == count // 2 else between
