"""A population: lanes that train together in one compiled program.

A **lane** is one network in training: trial x fold x seed. It is a position in the arrays below, not a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.training import Fit
from branchsweep.models.recipe import Recipe
from branchsweep.types import Floats, Weights

Entry = TypeVar("Entry")


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
        inputs: Input columns.
        losses: The loss of each head, in order.
        activations: The activations that lanes may have.
        balancing: The schemes of loss balancing that lanes may have; what only other schemes need is not computed.
        trunk_depth: The deepest trunk there is a place for.
        branch_depth: The deepest branch there is a place for.
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

    @property
    def width(self) -> int:
        """The wider of the two widths."""
        return max(self.trunk_width, self.branch_width)


@dataclass(frozen=True, slots=True)
class LaneState:
    """Where a lane stands between two legs of its training: all that it needs to go on as if it had not stopped.

    Args:
        epoch: Epochs trained.
        weights: Of all its layers.
        first_moment: The optimizer's, in the order of the weights; empty before the first step.
        second_moment: Likewise.
        kept: The weights of the best epoch; empty where the last ones are kept.
        best: The best mean R² so far.
        best_epoch: The epoch (from 1) of the kept weights.
        waited: Epochs since the score last rose.
        predictions: `(validation rows, heads)` by the kept weights, scaled.
        curve: `(epoch, heads)` R² on the validation rows so far.
        log_variances: `(heads,)` each: those that balance the losses, and the optimizer's moments of them; empty before the
            first step, and in programs without such lanes.
    """

    epoch: int
    weights: Weights
    first_moment: Weights
    second_moment: Weights
    kept: Weights
    best: float
    best_epoch: int
    waited: int
    predictions: NDArray[np.float32]
    curve: Floats
    log_variances: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True, slots=True)
class Population:
    """Up to `program.lanes` lanes. Arrays have one entry per lane.

    Args:
        program: What the lanes share.
        fit: Early stopping, and which weights are kept.
        seed: The experiment's seed.
        trials: `(K,)` the numbers of the trials the lanes belong to.
        recipes: `(K,)` what each lane trains.
        folds: `(K,)` which part of the training rows validates; `ALL_ROWS` for none.
        seeds: `(K,)` which of the trial's seeds the lane has, from 0.
        epochs: `(K,)` the epochs that the lane's schedule is laid out for.
        stops: `(K,)` the epochs after which the lane ends, or pauses.
        pauses: Whether lanes that reach their stop before their last epoch are to go on later: their outcomes have states.
        states: `(K,)` where each lane stands, all after the same epoch; None for one that begins.
    """

    program: Program
    fit: Fit
    seed: int
    trials: tuple[int, ...]
    recipes: tuple[Recipe, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    stops: tuple[int, ...]
    pauses: bool
    states: tuple[LaneState | None, ...] = field(compare=False)

    @property
    def heads(self) -> tuple[str, ...]:
        """What all lanes predict."""
        return tuple(self.recipes[0].architecture.branches)

    @property
    def start(self) -> int:
        """The epoch after which all lanes go on."""
        return _epoch(self.states[0])

    def only(self, positions: Sequence[int], states: Sequence[LaneState | None]) -> Population:
        """Some of the lanes, standing where `states` says."""

        def chosen(entries: Sequence[Entry]) -> tuple[Entry, ...]:
            return tuple(entries[position] for position in positions)

        return replace(
            self,
            trials=chosen(self.trials),
            recipes=chosen(self.recipes),
            folds=chosen(self.folds),
            seeds=chosen(self.seeds),
            epochs=chosen(self.epochs),
            stops=chosen(self.stops),
            states=tuple(states),
        )


def _epoch(state: LaneState | None) -> int:
    return state.epoch if state else 0


@dataclass(frozen=True, slots=True)
class LaneOutcome:
    """What came of one lane.

    Args:
        predictions: `(validation rows, heads)` by the kept weights, in natural units; no rows for a refit.
        curve: `(epochs, heads)` R² on the validation rows after each epoch that was trained.
        epochs: The epoch (from 1) of the kept weights.
        failed_at: The epoch (from 1) after which a prediction was not finite, 0 if that never happened.
        weights: The kept weights; None unless asked for.
        state: Where the lane stands, if it may go on; None if it has come to its end.
    """

    predictions: Floats
    curve: Floats
    epochs: int
    failed_at: int
    weights: Weights | None = None
    state: LaneState | None = None


@dataclass(frozen=True, slots=True)
class PopulationOutcome:
    """What came of a population: one entry per lane, and the seconds it took (compilation apart)."""

    lanes: Sequence[LaneOutcome]
    seconds: float
    compile_seconds: float
