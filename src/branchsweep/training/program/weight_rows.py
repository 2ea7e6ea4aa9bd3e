"""Element-wise operations on the weights of a population, over the rows that its lanes use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from branchsweep.training.program.layer_schedule import Stage
from branchsweep.training.program.program_arrays import Layers, Plan, Tensor
from branchsweep.training.program.tensor_operations import read_rows, repeat, write_rows


@dataclass(frozen=True, slots=True)
class WeightRows:
    """The rows of `Layers` in one program.

    Args:
        slots: Rows that are computed at a time (S).
        lanes: Lanes of the program (K).
        heads: Heads of a lane (H).
        stages: The stages of hidden layers.
    """

    slots: int
    lanes: int
    heads: int
    stages: tuple[Stage, ...]

    @property
    def outputs(self) -> int:
        """The index of the outputs in `Layers`; behind it come the factors of the inputs, if there are any."""
        return 1 + len(self.stages)

    def combined(self, plan: Plan, combine: Callable[[Tensor, Tensor, Tensor], Tensor], now: Layers, other: Layers) -> Layers:
        """`combine(lanes, rows of now, rows of other)` in place of the rows of `other` that are in use, S at a time.

        Args:
            plan: The positions of the layers.
            combine: Gives the new rows `(S, U, 1 + V)`; `lanes` are the S lanes that they belong to.
            now: One number per weight.
            other: Likewise.
        """

        def renewed(now: Tensor, other: Tensor, count: Tensor, lanes_of: Callable[[Tensor], Tensor], begin: int = 0) -> Tensor:
            """The rows of `count` groups of S layers, from row `begin` on."""

            def wave(i: Tensor, other: Tensor) -> tuple[Tensor]:
                lanes, o = lanes_of(i * self.slots), begin + i * self.slots
                return (write_rows(other, o, combine(lanes, read_rows(now, o, self.slots), read_rows(other, o, self.slots))),)

            return repeat(count, wave, other)[0]

        def in_order(o: Tensor) -> Tensor:
            return o + tf.range(self.slots)

        new = list(other)
        new[0] = renewed(now[0], new[0], plan.lane_waves, in_order)
        for number, stage in enumerate(self.stages, start=1):

            def lanes_of(o: Tensor, stage: Stage = stage) -> Tensor:
                return read_rows(plan.lane, stage.begin + o, self.slots)

            new[number] = renewed(now[number], new[number], plan.waves[number - 1], lanes_of)
        for head in range(self.heads):
            new[self.outputs] = renewed(now[self.outputs], new[self.outputs], plan.lane_waves, in_order, head * self.lanes)
        for factors in range(self.outputs + 1, len(new)):
            new[factors] = renewed(now[factors], new[factors], plan.lane_waves, in_order)
        return tuple(new)

    def averaged(self, plan: Plan, share: Tensor | None, trains: Tensor, weights: Layers, average: Layers) -> Layers:
        """The moving average of the weights after a step, as Keras's `use_ema` computes it.

        Args:
            plan: The positions of the layers.
            share: `(K,)` the share of the average that stays; None for no average.
            trains: `(K, 1, 1)` whether the lane is updated.
            weights: The weights after the step.
            average: The average before it.
        """
        if share is None:
            return average
        stays = tf.where(trains, share[:, None, None], 1.0)

        def mixed(lanes: Tensor, now: Tensor, before: Tensor) -> Tensor:
            kept = tf.gather(stays, lanes)
            return kept * before + (1.0 - kept) * now

        return self.combined(plan, mixed, weights, average)
