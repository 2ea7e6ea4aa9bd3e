"""The layers of one branched network, as widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from branchsweep.config.hyperparameters import MAX_UNITS


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one branched network.

    Args:
        trunk: Units of the layers that all heads share, from the inputs on; at least one.
        branches: By head, the units of the layers of its own; empty where the head's output stands on the trunk itself.
        activation: Of every hidden layer; the outputs are linear, one unit each.
    """

    trunk: tuple[int, ...]
    branches: Mapping[str, tuple[int, ...]]
    activation: str

    @property
    def width(self) -> int:
        """Units of the widest hidden layer."""
        return max(self.trunk + tuple(width for branch in self.branches.values() for width in branch))

    def layers(self, inputs: int) -> Iterator[tuple[int, int]]:
        """`(in, out)` of every dense layer over `inputs` columns: the trunk, then head by head its branch and its output."""
        before = inputs
        for width in self.trunk:
            yield before, width
            before = width
        for branch in self.branches.values():
            last = before
            for width in branch:
                yield last, width
                last = width
            yield last, 1

    def parameters(self, inputs: int) -> int:
        """Weights and biases of the network over `inputs` columns."""
        return sum((read + 1) * units for read, units in self.layers(inputs))


def layer_widths(depth: int, width: int, taper: float) -> tuple[int, ...]:
    """Units of so many layers: the first has `width`, each further one `taper` times as many as the one before.

    Rounding does not add up along the stack; no layer has fewer than one unit, or more than `WIDEST`.
    """
    return tuple(min(MAX_UNITS, max(1, round(width * taper**layer))) for layer in range(depth))
