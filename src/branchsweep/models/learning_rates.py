"""Schedules: the factor of the learning rate after a share t of all steps.

    constant      1
    cosine        (1 + cos(pi t)) / 2, which is Keras's CosineDecay to zero (Loshchilov and Hutter 2017)
    flat_cosine   1 for the first half of the steps, then the cosine over the rest
    coslog4       (1 - cos(2 pi log2(1 + 15 t))) / 2: four cycles, each twice as long as the one before it, as in RealMLP
                  (Holzmüller et al. 2024); it begins at 0 by itself

With a warm-up of the share w, the factor rises evenly from 0 to 1 over the first w of the steps; the schedule takes the rest.
"""

from __future__ import annotations

import math
from typing import Any

CYCLES = 4
"""Of `coslog4`."""


def schedule_factor(ops: Any, schedule: str, warmup: float, progress: Any) -> Any:
    """The factor of the learning rate, in the type of `progress`.

    Args:
        ops: `numpy` or `keras.ops`.
        schedule: Its name.
        warmup: The share of all steps that the warm-up takes; 0 for none.
        progress: Shares of all steps that have been taken, from 0 to 1, as an array of this library.
    """
    if not warmup:
        return _factor(ops, schedule, progress)
    after = ops.maximum(progress - warmup, 0) / (1 - warmup)
    return ops.where(progress < warmup, progress / warmup, _factor(ops, schedule, after))


def _factor(ops: Any, schedule: str, progress: Any) -> Any:
    if schedule == "constant":
        return ops.ones_like(progress)
    if schedule == "flat_cosine":
        progress = ops.maximum(2 * progress - 1, 0)
    if schedule == "coslog4":
        return 0.5 * (1 - ops.cos(2 * math.pi * ops.log2(1 + (2**CYCLES - 1) * ops.minimum(progress, 1))))
    return 0.5 * (1 + ops.cos(math.pi * ops.minimum(progress, 1)))


def schedule_source(schedule: str, warmup: float) -> list[str]:
    """The same in generated code: lines that compute `factor` from `done`, the share of all steps that have been taken.

    Args:
        schedule: Its name.
        warmup: As above.
    """
    share, half_cosine = "after" if warmup else "done", "factor = 0.5 * (1 + keras.ops.cos(math.pi * {}))"
    of_schedule = {
        "constant": [f"factor = keras.ops.ones_like({share})"],
        "cosine": [half_cosine.format(share)],
        "flat_cosine": [f"falling = keras.ops.maximum(2 * {share} - 1, 0)", half_cosine.format("falling")],
        "coslog4": [
            f"cycles = keras.ops.log2(1 + {2**CYCLES - 1} * {share})",
            "factor = 0.5 * (1 - keras.ops.cos(2 * math.pi * cycles))",
        ],
    }[schedule]
    if not warmup:
        return of_schedule
    after = f"after = keras.ops.maximum(done - {warmup!r}, 0) / {1 - warmup!r}"
    return [after, *of_schedule, f"factor = keras.ops.where(done < {warmup!r}, done / {warmup!r}, factor)"]
