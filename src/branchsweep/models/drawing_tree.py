"""The lines of a drawing where branches begin at several layers: the layers as a tree, whose leaves are the heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from branchsweep.models.architecture import Architecture
from branchsweep.models.layers.registry import layer_kind


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers in a row, each of which only the next one reads, and what reads the last of them.

    Args:
        labels: The layers; none where a head's output reads a layer that others read, too.
        readers: What reads the last layer; none for a head's output.
        head: The head whose output reads the last layer; empty where several stacks read it.
    """

    labels: tuple[str, ...]
    readers: tuple[Stack, ...] = ()
    head: str = ""


def layer_tree(architecture: Architecture) -> Stack:
    """The layers of a network. The trunk goes on first, and so does the output of a head whose branch others read."""

    def labels(kind: str, units: Sequence[int]) -> tuple[str, ...]:
        return tuple(layer_kind(kind).label(width) for width in units)

    def branch(head: str) -> Stack:
        own = labels(architecture.branch_layer(head), architecture.branches[head])
        readers = [branch(other) for other, read in architecture.reads.items() if read == head]
        return Stack(own, (Stack((), head=head), *readers)) if readers else Stack(own, head=head)

    def from_layer(layer: int) -> Stack:
        """The trunk after so many layers."""
        end = min((exit_ for exit_ in architecture.exits.values() if exit_ > layer), default=depth)
        leaving = [head for head in at_trunk if architecture.exits.get(head, depth) == end]
        readers = [*([from_layer(end)] if end < depth else []), *map(branch, leaving)]
        own = labels(architecture.trunk_layer, architecture.trunk[layer:end])
        if len(readers) > 1:
            return Stack(own, tuple(readers))
        return Stack(own + readers[0].labels, readers[0].readers, readers[0].head)

    depth = len(architecture.trunk)
    at_trunk = [head for head in architecture.branches if head not in architecture.reads]
    return from_layer(0)


Text = Callable[[Sequence[str]], str]
"""Writes layers as a line, which begins and ends with the sign for a connection."""


def tree_beside(stack: Stack, text: Text, name: Callable[[str], str]) -> list[str]:
    """The lines of a tree to the right of the inputs, one for each head. The first one continues the inputs.

    Args:
        stack: The tree.
        text: See `Text`.
        name: Shortens the name of a head.
    """
    rows = _rows_beside(stack, text)
    end = max(len(line) for line, _ in rows)
    return [f"{line:─<{end}} {name(head)}" for line, head in rows]


def _rows_beside(stack: Stack, text: Text) -> list[tuple[str, str]]:
    """The lines of a tree, each without the name of its head, and the head."""
    line = text(stack.labels)
    if not stack.readers:
        return [(line, stack.head)]
    rows: list[tuple[str, str]] = []
    *_, last = stack.readers
    for reader in stack.readers:
        for row, (rest, head) in enumerate(_rows_beside(reader, text)):
            if not rows:
                before = f"{line}┬"
            elif row == 0:
                before = f"{'':{len(line)}}{'└' if reader is last else '├'}"
            else:
                before = f"{'':{len(line)}}{' ' if reader is last else '│'}"
            rows.append((before + rest, head))
    return rows


def tree_under(stack: Stack, text: Text, name: Callable[[str], str]) -> list[str]:
    """The lines below a stack: those that read it, each followed by those that read it in turn, which are indented.

    Args:
        stack: The tree; its own layers are not written.
        text: See `Text`.
        name: Shortens the name of a head.
    """
    lines: list[str] = []
    for number, reader in enumerate(stack.readers, start=1):
        is_last = number == len(stack.readers)
        line = text(reader.labels)
        end = f"{line} {name(reader.head)}" if reader.head else line.rstrip("─ ")
        lines.append(f"{'└' if is_last else '├'}{end}")
        lines += [f"{' ' if is_last else '│'}  {line}" for line in tree_under(reader, text, name)]
    return lines
