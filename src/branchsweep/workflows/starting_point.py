"""Where a search on a new table begins: how large batches and folds are, how long a network trains, and what is varied.

All of it follows from the number of rows and the heads. Optimizers learn by steps, not by epochs: an epoch of a small table is
a few steps, so that it needs many epochs, and smaller batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.validation import TEST_FRACTION
from branchsweep.search.nearest_point import nearest_point
from branchsweep.trial import Params

STEPS = 3000
"""Steps that a network trains, about: from here on the learning curves of small tables are flat."""

MOST_FOLDS = 5
"""Folds of a small table, and of a confirmation."""

_STEPS_PER_EPOCH = 48  # about, which decide the size of a batch
_BATCHES, _EPOCHS = (16, 1024), (10, 500)  # the smallest and the largest
_LARGE, _VERY_LARGE = 6_000, 100_000  # training rows from which one hold-out is enough, and from which trials are long
_SMALL = 1_000  # training rows below which a fifth of them is too few to validate on, and wide layers overfit
_MANY = 4_000  # training rows from which piecewise-linear inputs and silu are the default, and less regularisation
_HOLD_OUT = 5  # one part of so many is held out
_MOST_HEADS_ONE_BY_ONE = 4  # heads with dimensions of their own


@dataclass(frozen=True, slots=True)
class Budget:
    """How networks train and how many are tried, for a number of rows.

    Args:
        training: Rows that a network of the search trains on.
        folds: Of the search; 1 for a hold-out.
        batch_size: Rows of a step.
        epochs: Passes over the training rows.
        trials: Trials of the search.
        confirmed: Trials that are trained again, and in how many folds.
    """

    training: int
    folds: int
    batch_size: int
    epochs: int
    trials: int
    confirmed: tuple[int, int]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.training / self.batch_size)


def budget_for(rows: int, test_fraction: float = TEST_FRACTION, most_folds: int = MOST_FOLDS) -> Budget:
    """The budget for a table.

    Args:
        rows: Its rows.
        test_fraction: The share of them that is set aside as test rows.
        most_folds: The most folds, from 2: fewer where a class has not enough rows for one in each.
    """
    left = rows - math.ceil(rows * test_fraction)
    folds = 1 if left >= _LARGE else min(most_folds, 3 if left >= _SMALL else MOST_FOLDS)
    training = left - math.ceil(left / (folds if folds > 1 else _HOLD_OUT))
    power = round(math.log2(max(training / _STEPS_PER_EPOCH, 1)))
    batch_size = min(max(2**power, _BATCHES[0]), _BATCHES[1])
    epochs = math.ceil(STEPS / max(math.ceil(training / batch_size), 1) / 10) * 10
    is_long = left >= _VERY_LARGE
    return Budget(
        training,
        folds,
        batch_size,
        min(max(epochs, _EPOCHS[0]), _EPOCHS[1]),
        trials=32 if is_long else 64,
        confirmed=(2, 2) if is_long else (8 if left < _SMALL else 4, most_folds),  # benchmarks/confirmed_trials.py
    )


def starting_dimensions(heads: Sequence[str], budget: Budget) -> dict[str, Mapping[str, Any]]:
    """What is varied, by the names of hyperparameters, as an experiment has it: where branches leave, widths, the optimizer."""
    widths = {"type": "choice", "choices": [8, 16, 32, 64, *([] if budget.training < _SMALL else [96, 128])], "ordered": True}
    dimensions: dict[str, Mapping[str, Any]] = {"trunk.depth": {"type": "int", "low": 1, "high": 4}, "trunk.width": widths}
    one_by_one = heads if 1 < len(heads) <= _MOST_HEADS_ONE_BY_ONE else []
    if len(heads) > 1:
        depths = [f"{head}.depth" for head in one_by_one] or ["branch.depth"]
        dimensions |= {depth: {"type": "int", "low": 0, "high": 3} for depth in depths}
        dimensions["branch.width"] = widths
        dimensions |= {f"{head}.loss_weight": _logarithmic(0.3, 3.0) for head in one_by_one}
    fills_bins = budget.training >= _SMALL
    return dimensions | {
        "learning_rate": _logarithmic(5e-4, 5e-2),
        "weight_decay": _logarithmic(1e-4, 1.0),
        "activation": {"type": "choice", "choices": ["relu", "leaky_relu", "silu", "tanh"]},
        "trunk.dropout": {"type": "float", "low": 0.0, "high": 0.4},
        "input_scaling": {"type": "choice", "choices": ["standard", "quantile", *(["piecewise_linear"] if fills_bins else [])]},
    }


def starting_values(heads: Sequence[str], budget: Budget) -> Params:
    """What is fixed beside these dimensions, by the names of hyperparameters."""
    own_layers = {} if len(heads) > 1 else {"branch.depth": 0}  # of one head the trunk is the network
    return own_layers | {
        "batch_size": budget.batch_size,
        "learning_rate_schedule": "cosine",
        "target_scaling": "standard",
        "output_clipping": "training_range",
    }


def default_trial(heads: Sequence[str], budget: Budget) -> Params:
    """The default recipe as a point of the starting dimensions: what a search tries first."""
    space = SearchSpace.model_validate({"dimensions": starting_dimensions(heads, budget)})
    return nearest_point(space, default_recipe(heads, budget), heads)


def default_recipe(heads: Sequence[str], budget: Budget) -> Params:
    """One network for any table, where nothing is searched.

    Its values come from `benchmarks/default_recipe.py`, `hyperparameters.py` and `encoders.py` there, on the power-plant table,
    enb, jura, edm and slump: dropout and weight decay gain much on small and noisy tables and cost little elsewhere; clipping
    gains where networks overfit, and costs nothing; piecewise-linear inputs gain where thousands of rows fill the bins;
    leaky_relu gains over silu on enb, jura and edm, and loses beside those inputs.
    """
    own_layers = {"branch.depth": 1, "branch.width": 32} if len(heads) > 1 else {}
    fills_bins = budget.training >= _MANY
    return {
        **starting_values(heads, budget),
        "trunk.depth": 2,
        "trunk.width": 64,
        **own_layers,
        "learning_rate": 5e-3,
        "weight_decay": 1e-2 if fills_bins else 1e-1,
        "activation": "silu" if fills_bins else "leaky_relu",
        "trunk.dropout": 0.1 if fills_bins else 0.2,
        "input_scaling": "piecewise_linear" if fills_bins else "standard",
    }


def _logarithmic(low: float, high: float) -> dict[str, Any]:
    return {"type": "float", "low": low, "high": high, "log": True}
