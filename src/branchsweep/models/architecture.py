"""The layers of one branched network, as widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from branchsweep.config.hyperparameters import MAX_UNITS
from branchsweep.config.kinds import DEFAULT_LAYER
from branchsweep.models.layers.layer import Layer
from branchsweep.models.layers.registry import layer_kind


class LayerShape(NamedTuple):
    """One layer of a network.

    Args:
        kind: The kind of a hidden layer; None for a head's output.
        read: Units that it reads.
        units: Units that it has.
    """

    kind: Layer | None
    read: int
    units: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.kind.parameters(self.read, self.units) if self.kind else (self.read + 1) * self.units

    @property
    def products(self) -> int:
        """Multiplications of one row on the way forward."""
        return self.kind.products(self.read, self.units) if self.kind else self.read * self.units


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one branched network.

    Args:
        trunk: Units of the layers that all heads share, from the inputs on; at least one.
        branches: By head, the units of its own layers; empty where the head's output reads the trunk itself.
        activation: Of every hidden layer that has one. An output is one unit with the activation of its head.
        trunk_layer: The kind of the trunk's layers.
        branch_layers: By head, the kind of its branch's layers where it is not `dense`.
    """

    trunk: tuple[int, ...]
    branches: Mapping[str, tuple[int, ...]]
    activation: str
    trunk_layer: str = DEFAULT_LAYER
    branch_layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Units of the widest hidden layer."""
        return max(self.trunk + tuple(width for branch in self.branches.values() for width in branch))

    @property
    def has_branches(self) -> bool:
        """Whether some head has layers of its own."""
        return any(self.branches.values())

    @property
    def layer_names(self) -> set[str]:
        """The kinds of layers that it has, or would have if its branches had layers."""
        return {self.trunk_layer, *map(self.branch_layer, self.branches)}

    def branch_layer(self, head: str) -> str:
        """The kind of the layers of a head's branch."""
        return self.branch_layers.get(head, DEFAULT_LAYER)

    def layers(self, inputs: int) -> Iterator[LayerShape]:
        """Every layer over `inputs` encoded columns: the trunk, then head by head its branch and its output."""
        before, kind = inputs, layer_kind(self.trunk_layer)
        for width in self.trunk:
            yield LayerShape(kind, before, width)
            before = width
        for head, branch in self.branches.items():
            last, kind = before, layer_kind(self.branch_layer(head))
            for width in branch:
                yield LayerShape(kind, last, width)
                last = width
            yield LayerShape(None, last, 1)

    def parameters(self, inputs: int) -> int:
        """Weights and biases of the network over `inputs` encoded columns."""
        return sum(layer.parameters for layer in self.layers(inputs))


def layer_widths(depth: int, width: int, taper: float) -> tuple[int, ...]:
    """Units of so many layers: the first has `width`, each further one `taper` times as many as the one before.

    Rounding does not add up along the stack; no layer has fewer than one unit, or more than `MAX_UNITS`.
    """
    return tuple(min(MAX_UNITS, max(1, round(width * taper**layer))) for layer in range(depth))
