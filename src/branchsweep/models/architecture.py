"""The layers of one branched network, as widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from branchsweep.config.hyperparameters import MAX_UNITS
from branchsweep.config.kinds import DEFAULT_LAYER
from branchsweep.models.built_network import BuiltNetwork, count_parameters
from branchsweep.models.layers.input_factors import INPUT_FACTORS, InputFactors
from branchsweep.models.layers.layer import Layer
from branchsweep.models.layers.registry import layer_kind


class LayerShape(NamedTuple):
    """One layer of a network.

    Args:
        kind: The kind of a hidden layer, or the factors of the inputs; None for a head's output.
        read: Units that it reads.
        units: Units that it has.
    """

    kind: Layer | InputFactors | None
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


Thing = TypeVar("Thing")
"""What stands for a layer: its units, its tensor, its variable in a script."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one branched network: a tree of layers, each of which reads one other.

    Args:
        trunk: Units of the layers that heads share, from the inputs on; at least one.
        branches: By head, the units of its own layers; empty where the head's output reads the trunk itself.
        activation: Of every hidden layer that has one. An output has the activation of its head.
        trunk_layer: The kind of the trunk's layers.
        branch_layers: By head, the kind of its branch's layers where it is not `dense`.
        trunk_dropout: The share of each trunk layer's outputs that a training step sets to 0.
        branch_dropouts: By head with layers, the same for these, where it is not 0.
        exits: By head, the trunk layer (from 1) that its branch reads, where it is not the last one.
        residual: Whether a hidden layer that is as wide as the one that it reads adds what it reads to what it computes.
        input_factor_rate: The learning rate of a learned factor of each input, as a multiple of that of the weights; 0 where
            inputs have no factors.
        reads: By head, the head before it that has layers, and the last of whose layers its branch reads in place of the trunk.
        output_units: By head, the units of its output where these are several.
        built: What builds the network instead, of a user's own; it says nothing of layers then.

    Raises:
        ValueError: An exit is no layer before the trunk's last one, a head reads one that is not before it or has no layers, or
            no head's branch begins at the trunk's last layer.
    """

    trunk: tuple[int, ...]
    branches: Mapping[str, tuple[int, ...]]
    activation: str
    trunk_layer: str = DEFAULT_LAYER
    branch_layers: Mapping[str, str] = field(default_factory=dict)
    trunk_dropout: float = 0.0
    branch_dropouts: Mapping[str, float] = field(default_factory=dict)
    exits: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    input_factor_rate: float = 0.0
    residual: bool = False
    output_units: Mapping[str, int] = field(default_factory=dict)
    built: BuiltNetwork | None = None

    def __post_init__(self) -> None:
        """Check where the branches begin, which recorded architectures that someone edited may not say soundly."""
        heads, elsewhere = list(self.branches), {*self.exits, *self.reads}
        is_sound = (
            elsewhere <= {*heads}
            and (elsewhere != {*heads} or not heads)
            and all(0 < layer < len(self.trunk) for layer in self.exits.values())
            and all(self.branches.get(other) and other in heads[: heads.index(head)] for head, other in self.reads.items())
        )
        if not is_sound:
            raise ValueError(f"exits {dict(self.exits)} and reads {dict(self.reads)} do not fit the layers of the network")

    def origin(self, head: str, trunk: Sequence[Thing], ends: Mapping[str, Thing]) -> Thing:
        """What stands for the layer that a head's branch reads, or its output where it has no layers.

        Args:
            head: The head.
            trunk: What stands for the layers of the trunk.
            ends: By head, for the heads before it, what stands for the last layer before its output.
        """
        if head in self.reads:
            return ends[self.reads[head]]
        return trunk[self.exits.get(head, len(trunk)) - 1]

    @property
    def units(self) -> Mapping[str, int]:
        """By head, the units of its output."""
        return {head: self.output_units.get(head, 1) for head in self.branches}

    @property
    def width(self) -> int:
        """Units of the widest hidden layer."""
        return max(self.trunk + tuple(width for branch in self.branches.values() for width in branch))

    @property
    def has_branches(self) -> bool:
        """Whether heads have layers of their own, or leave the trunk at different layers; true of a user's network."""
        return self.built is not None or any(self.branches.values()) or bool(self.exits)

    @property
    def layer_names(self) -> set[str]:
        """The kinds of layers that it has, or would have if its branches had layers."""
        return {self.trunk_layer, *map(self.branch_layer, self.branches)}

    def branch_layer(self, head: str) -> str:
        """The kind of the layers of a head's branch."""
        return self.branch_layers.get(head, DEFAULT_LAYER)

    def branch_dropout(self, head: str) -> float:
        """The share of the outputs of each layer of a head's branch that a training step sets to 0."""
        return self.branch_dropouts.get(head, 0.0)

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The dropout rate of every hidden layer: the trunk, then head by head its branch."""
        branches = (self.branch_dropout(head) for head, branch in self.branches.items() for _ in branch)
        return (*(self.trunk_dropout for _ in self.trunk), *branches)

    @property
    def residual_layers(self) -> tuple[bool, ...]:
        """Whether each hidden layer adds what it reads: the trunk, then head by head its branch."""
        hidden = (layer for layer in self.layers(0) if isinstance(layer.kind, Layer))
        return tuple(self.residual and layer.read == layer.units for layer in hidden)

    def layers(self, inputs: int) -> Iterator[LayerShape]:
        """Every layer over `inputs` encoded columns: their factors, the trunk, then head by head its branch and its output."""
        if self.input_factor_rate:
            yield LayerShape(INPUT_FACTORS, inputs, 1)
        before, kind = inputs, layer_kind(self.trunk_layer)
        for width in self.trunk:
            yield LayerShape(kind, before, width)
            before = width
        ends: dict[str, int] = {}
        for head, branch in self.branches.items():
            last, kind = self.origin(head, self.trunk, ends), layer_kind(self.branch_layer(head))
            for width in branch:
                yield LayerShape(kind, last, width)
                last = width
            yield LayerShape(None, last, self.output_units.get(head, 1))
            ends[head] = last

    def parameters(self, inputs: int) -> int:
        """Weights and biases of the network over `inputs` encoded columns."""
        if self.built:
            return count_parameters(self.built, inputs, self.units)
        return sum(layer.parameters for layer in self.layers(inputs))


class BranchPoints(NamedTuple):
    """Where the branches of a network begin, said in one way for equal networks.

    Args:
        depth: The trunk layers that some head reads.
        exits: See `Architecture`.
        reads: See `Architecture`.
    """

    depth: int
    exits: Mapping[str, int]
    reads: Mapping[str, str]


def branch_points(
    depth: int, branches: Mapping[str, tuple[int, ...]], exits: Mapping[str, int], reads: Mapping[str, str]
) -> BranchPoints:
    """Where the branches begin, from the hyperparameters `exit` and `reads` (see `config/hyperparameters.py`).

    Args:
        depth: The trunk's layers.
        branches: By head, the units of its layers.
        exits: By head, the number of trunk layers before its branch; 0, or more than there are: all.
        reads: By head, one before it that its branch reads in place of the trunk; only for heads that read one.
    """
    layers: dict[str, int] = {}
    read: dict[str, str] = {}
    for head in branches:
        other = reads.get(head)
        if other is None:
            layers[head] = min(exits[head] or depth, depth)
        elif branches[other]:
            read[head] = other
        elif other in read:
            read[head] = read[other]
        else:
            layers[head] = layers[other]
    last = max(layers.values(), default=depth)
    return BranchPoints(last, {head: layer for head, layer in layers.items() if layer < last}, read)


def layer_widths(depth: int, width: int, taper: float) -> tuple[int, ...]:
    """Units of so many layers: the first has `width`, each further one `taper` times as many as the one before.

    Rounding does not add up along the stack; no layer has fewer than one unit, or more than `MAX_UNITS`.
    """
    return tuple(min(MAX_UNITS, max(1, round(width * taper**layer))) for layer in range(depth))
