"""Draws a network as text: the trunk, and beside or under it the branches of the heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from branchsweep.models.architecture import Architecture
from branchsweep.models.drawing_tree import Stack, layer_tree, tree_beside, tree_under
from branchsweep.models.layers.registry import layer_kind

COLUMNS = 100
"""Of a picture, at most."""

Joints = tuple[str, str, str, str]
"""Where a line meets others: in the first row, in one between, in the last, and in a row 0 that holds none of them."""

JOIN: Joints = ("┐", "┤", "┘", "├")

FORK: Joints = ("┌", "├", "└", "┤")


@dataclass(frozen=True, slots=True)
class DrawingStyle:
    """How a network is drawn.

    Args:
        line: Between two layers.
        margin: Around a layer's units.
        runs: Whether equal layers in a row share one cell.
        below: Whether the branches are below the trunk.
        name: Most characters of an input's or a head's name.
    """

    line: str = "──"
    margin: str = " "
    runs: bool = False
    below: bool = False
    name: int = 24

    def cells(self, labels: Sequence[str]) -> list[str]:
        """The layers of a stack, one cell each, or one for each run of equal ones."""
        counts = (
            [(label, len(list(alike))) for label, alike in groupby(labels)] if self.runs else [(label, 1) for label in labels]
        )
        texts = (f"{label} ×{count}" if count > 1 else label for label, count in counts)
        return [f"{self.margin}{text}{self.margin}" for text in texts]

    def stack(self, labels: Sequence[str]) -> str:
        """The layers of a stack in a line that connects them with what is before and after."""
        return self.line.join(["", *self.cells(labels), ""])

    def clipped(self, name: str) -> str:
        """A name that is not too long."""
        return name if len(name) <= self.name else f"{name[: self.name - 1]}…"


STYLES = (
    DrawingStyle(),
    DrawingStyle(line="─"),
    DrawingStyle(runs=True),
    DrawingStyle(line="─", runs=True, name=14),
    DrawingStyle(below=True),
    DrawingStyle(line="─", below=True),
    DrawingStyle(line="─", margin="", below=True, name=14),
    DrawingStyle(line="─", margin="", runs=True, below=True, name=14),
)
"""The widest that fits is taken."""


def draw_network(
    architecture: Architecture, inputs: Sequence[str], columns: int = COLUMNS, width: int | None = None
) -> list[str]:
    """The picture, line by line, all of equal length.

    Args:
        architecture: The network; its heads are in the order of its branches.
        inputs: The names of the raw input columns, at least one.
        columns: Most characters of a line. Dense layers of up to four digits in stacks of up to 16 always fit into 100.
        width: Encoded input columns; as many as raw ones if None.
    """
    parameters = architecture.parameters(len(inputs) if width is None else width)
    if architecture.built:
        return [
            f"{architecture.built.builder}, {f'{parameters:,} parameters' if parameters else 'which fails for these values'}"
        ]
    captions = [f"{architecture.activation}, {parameters:,} parameters", *_dropout(architecture)]
    if any(architecture.residual_layers):
        captions.append("layers as wide as the one before add what they read")
    if architecture.input_factor_rate:
        captions.append("a learned factor of each input")
    pictures = [_picture(architecture, inputs, captions, style) for style in STYLES]
    return next((picture for picture in pictures if len(picture[0]) <= columns), pictures[-1])


def _dropout(architecture: Architecture) -> list[str]:
    """The dropout rate of the layers, or the least and the greatest, as a line; none where no layer has any."""
    rates = architecture.dropout_rates
    if not any(rates):
        return []
    least, greatest = f"{min(rates):.3g}", f"{max(rates):.3g}"
    return [f"dropout {greatest}" if least == greatest else f"dropout {least} to {greatest}"]


def _picture(architecture: Architecture, inputs: Sequence[str], captions: Sequence[str], style: DrawingStyle) -> list[str]:
    joined = _joined(inputs, style)
    if architecture.exits or architecture.reads:
        lines = _tree(joined, layer_tree(architecture), style)
    else:
        trunk = style.stack(_labels(architecture.trunk_layer, architecture.trunk))
        branches = {head: _labels(architecture.branch_layer(head), units) for head, units in architecture.branches.items()}
        lines = (_under if style.below else _beside)(joined, trunk, _branches(branches, style))
    lines += [f"{'':{len(joined[0] + style.line + style.margin)}}{caption}" for caption in captions]
    length = max(map(len, lines))
    return [line.ljust(length) for line in lines]


def _labels(kind: str, units: Sequence[int]) -> list[str]:
    layer = layer_kind(kind)
    return [layer.label(width) for width in units]


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
    *others, last = branches
    return [*_turned_back(joined, trunk), *(f" ├{branch}" for branch in others), f" └{last}"]


def _turned_back(joined: Mapping[int, str], trunk: str) -> list[str]:
    """The inputs and the trunk, which then turns back to the left."""
    lines = []
    for row in range(min(joined), max(joined) + 1):
        after = f"{trunk}┐" if row == 0 else f"{'':{len(trunk)}}{'│' if row > 0 else ' '}"
        lines.append(joined[row] + after)
    return [*lines, f" ┌{'':─<{len(lines[-1]) - 3}}┘"]


def _tree(joined: Mapping[int, str], layers: Stack, style: DrawingStyle) -> list[str]:
    """The inputs, and layers that are read by several others: to the right of them, or below."""
    if style.below:
        below = tree_under(layers, style.stack, style.clipped)
        return [*_turned_back(joined, style.stack(layers.labels)), *(f" {line}" for line in below)]
    lines, blank = tree_beside(layers, style.stack, style.clipped), " " * len(joined[0])
    rows = range(min(joined), max(max(joined) + 1, len(lines)))
    return [joined.get(row, blank) + (lines[row] if 0 <= row < len(lines) else "") for row in rows]


def _joined(inputs: Sequence[str], style: DrawingStyle) -> dict[int, str]:
    """By row from the trunk's, which is 0: the inputs, and where they join the trunk."""
    names = [style.clipped(name) for name in inputs]
    length = max(map(len, names))
    rows = {row: f"{name:>{length}} ─" for row, name in _rows(names)}
    reach = max(rows)
    return {row: rows.get(row, f"{'':{length + 2}}") + _joint(row, len(names), JOIN) for row in range(-reach, reach + 1)}


def _branches(branches: Mapping[str, Sequence[str]], style: DrawingStyle) -> list[str]:
    """Each branch with its head's name. Layers of equal depth are below each other, and so are the heads."""
    cells = [style.cells(labels) for labels in branches.values()]
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
