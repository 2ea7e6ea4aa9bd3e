"""A population: lanes that train together in one compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from branchsweep.config.kinds import DEFAULT_LAYER
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.training import Fit
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.recipe import Recipe
from branchsweep.training.lane_score import MEAN
from branchsweep.training.lanes import Lane, LaneOutcome, LaneState

OPTIONS = DROPOUT, MOVING_AVERAGE, BETA_2, OUTPUT_CLIPPING, CLIPNORM, INPUT_FACTORS, TARGET_NOISE, RESIDUAL = (
    "dropout",
    "moving_average",
    "beta_2",
    "output_clipping",
    "clipnorm",
    "input_factors",
    "target_noise",
    "residual",
)
"""What costs time or memory in a program, so that only those contain it whose lanes may have it: dropout, the moving average of
the weights, a memory of squared gradients other than Adam's default, the clipping of predictions and that of gradients,
learned factors of the inputs, noise of the targets, and residual connections."""


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that shapes the compiled program. Equal programs are compiled once, for all rounds and sweeps of a process.

    Args:
        trunk_width: Units that every trunk layer is padded to (a bucket).
        branch_width: Units that every branch layer is padded to (a bucket).
        batch_size: Rows per step.
        optimizer: `adam` or `sgd`.
        lanes: How many lanes the program has places for; places that stay empty cost nothing.
        slots: Layers that are computed side by side in one wave.
        inputs: Encoded input columns.
        losses: The loss of each head, which names its kind, in order.
        activations: The activations that lanes may have.
        layers: The kinds of hidden layers that lanes may have.
        balancing: The schemes of loss balancing that lanes may have; what only other schemes need is not computed.
        trunk_depth: The most layers of a trunk.
        branch_depth: The most layers of a branch.
        score_rule: How the heads' scores become the lane's (see `lane_score.py`).
        reads_heads: Whether a branch may begin at the end of another one, which makes longer chains of layers.
        options: What else lanes may have, of `OPTIONS`; what none has is not computed.
        weighted: Whether each target of a row has a weight: 0 where it is not known. The rows decide it, not the packer.
    """

    trunk_width: int
    branch_width: int
    batch_size: int
    optimizer: str
    lanes: int
    slots: int
    inputs: int
    losses: tuple[str, ...]
    activations: tuple[str, ...]
    balancing: tuple[str, ...]
    trunk_depth: int
    branch_depth: int
    layers: tuple[str, ...] = (DEFAULT_LAYER,)
    score_rule: str = MEAN
    reads_heads: bool = field(default=False, repr=False)
    weighted: bool = field(default=False, repr=False)
    options: tuple[str, ...] = field(default=(), repr=False)

    @property
    def width(self) -> int:
        """The wider of the two widths."""
        return max(self.trunk_width, self.branch_width)

    @property
    def output_units(self) -> int:
        """The most units of a head's output; other outputs are padded to it."""
        return max((kind.units for kind in kinds_of(self.losses)), default=1)


@dataclass(frozen=True, slots=True)
class Population:
    """Up to `program.lanes` lanes. The properties that are tuples have one entry per lane.

    Args:
        program: The compiled program that trains all of them.
        fit: Early stopping, and which weights are kept.
        objective: Whose ranking metric early stopping and the choice of the best epoch follow.
        seed: The experiment's seed, from which the order of the rows derives.
        lanes: What is trained, all lanes at the same epoch.
    """

    program: Program
    fit: Fit
    objective: Objective
    seed: int
    lanes: tuple[Lane, ...]

    @property
    def pauses(self) -> bool:
        """Whether lanes may continue after their stops."""
        return any(lane.pauses for lane in self.lanes)

    @property
    def is_built(self) -> bool:
        """Whether it is one lane whose network a user's builder builds, which no program trains."""
        return self.lanes[0].recipe.architecture.built is not None

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the heads, which all lanes share."""
        return tuple(self.lanes[0].recipe.architecture.branches)

    @property
    def start(self) -> int:
        """The number of epochs that all lanes have been trained for."""
        return self.lanes[0].start

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipe of each lane."""
        return tuple(lane.recipe for lane in self.lanes)

    @property
    def folds(self) -> tuple[int, ...]:
        """The position of the fold that validates each lane; `ALL_ROWS` for none."""
        return tuple(lane.key.fold for lane in self.lanes)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Which of its candidate's seeds each lane has, from 0."""
        return tuple(lane.key.seed for lane in self.lanes)

    @property
    def epochs(self) -> tuple[int, ...]:
        """The total epochs of each lane's learning-rate schedule."""
        return tuple(lane.epochs for lane in self.lanes)

    @property
    def stops(self) -> tuple[int, ...]:
        """The epoch after which each lane ends, or pauses."""
        return tuple(lane.stop for lane in self.lanes)

    @property
    def states(self) -> tuple[LaneState | None, ...]:
        """The state from which each lane continues; None for a lane that starts from initial weights."""
        return tuple(lane.state for lane in self.lanes)

    def only(self, positions: Sequence[int], states: Sequence[LaneState | None]) -> Population:
        """The population of some of these lanes.

        Args:
            positions: Which lanes.
            states: The state of each of them.
        """
        chosen = (self.lanes[position] for position in positions)
        return replace(self, lanes=tuple(replace(lane, state=state) for lane, state in zip(chosen, states, strict=True)))


@dataclass(frozen=True, slots=True)
class PopulationOutcome:
    """The result of training a population.

    Args:
        lanes: One outcome per lane, in the population's order.
        seconds: Wall time without compilation.
        compile_seconds: Wall time of compiling.
    """

    lanes: Sequence[LaneOutcome]
    seconds: float
    compile_seconds: float
