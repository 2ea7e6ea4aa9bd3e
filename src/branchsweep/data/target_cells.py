"""Targets that are missing in some rows, and the weights of rows: what is said of them, and what scores count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.data.columns import count_noun, to_numbers
from branchsweep.errors import DataError
from branchsweep.types import Floats

LARGEST_WEIGHT = 1e30
"""The bound of weights: the networks are trained in 32 bits."""


def columns_of_targets(experiment: Experiment) -> slice:
    """Where the targets stand among the columns of an experiment: behind the inputs."""
    inputs = len(experiment.table.inputs)
    return slice(inputs, inputs + len(experiment.heads))


def missing_targets(experiment: Experiment, frame: pd.DataFrame, values: Floats) -> NDArray[np.bool_]:
    """`(rows, columns)`, whether a cell is a target's and holds nothing, or a code for missing.

    Args:
        experiment: Says which columns are targets.
        frame: The columns of the experiment as they were read.
        values: `(rows, columns)`, those of `to_numbers`.
    """
    missing = np.zeros(values.shape, dtype=bool)
    targets = columns_of_targets(experiment)
    cells = frame.iloc[:, targets]
    is_code = np.isfinite(to_numbers(cells))  # numbers that are none any more
    missing[:, targets] = np.isnan(values[:, targets]) & (cells.isna().to_numpy() | is_code)
    return missing


def answer_missing_targets(known: NDArray[np.bool_], heads: Sequence[str], policy: Literal["mask", "drop", "error"]) -> str:
    """What is said of missing targets, as a sentence or two.

    Args:
        known: `(rows, heads)`, whether the target is known; not all are.
        heads: Their names.
        policy: `targets.missing`.
    """
    rows = len(known)
    by_head = ", ".join(
        f"{count:,} {'has' if count == 1 else 'have'} no target of head {head}"
        for head, count in zip(heads, (~known).sum(axis=0), strict=True)
        if count
    )
    counted = f"Of {count_noun(rows, 'row')} {by_head}"
    if policy == "error":
        return (
            f"{counted}; fill them in, or write targets: {{missing: mask}} to train and score each head on the rows that have"
            f" its target, or drop to leave such rows out"
        )
    if policy == "drop":
        left_out = int((~known.all(axis=1)).sum())
        return (
            f"{counted}; {count_noun(left_out, 'row')} {'is' if left_out == 1 else 'are'} left out (targets.missing: drop;"
            f" with mask each head is trained and scored on the rows that have its target)."
        )
    without = int((~known.any(axis=1)).sum())
    left_out_too = (
        f" {count_noun(without, 'row')} without any target {'is' if without == 1 else 'are'} left out." if without else ""
    )
    return f"{counted}: there the other heads alone are trained and scored (targets.missing: mask).{left_out_too}"


def check_weights(experiment: Experiment, values: Floats, numbers: NDArray[np.int64], where: str, numbering: str) -> None:
    """Check that all weights are numbers from 0.

    Args:
        experiment: Names the columns of weights.
        values: `(rows, columns)`, the weights behind inputs and targets.
        numbers: The rows' numbers, for messages.
        where: The table, for messages.
        numbering: How rows are numbered, for messages.

    Raises:
        DataError: A weight is negative, or too large.
    """
    begin = columns_of_targets(experiment).stop
    for (name, key), column in zip(experiment.weight_columns.items(), values[:, begin:].T, strict=True):
        wrong = np.flatnonzero((column < 0) | (column > LARGEST_WEIGHT))
        if len(wrong):
            raise DataError(
                f"column '{name}' ({key}): got {column[wrong[0]]:g} in row {numbers[wrong[0]]} ({numbering}), expected"
                f" weights from 0 to {LARGEST_WEIGHT:g}",
                where,
            )


def head_weights(experiment: Experiment, values: Floats) -> Floats | None:
    """`(rows, heads)`, the weight of each row for each head: those of the row and of the head multiplied.

    Args:
        experiment: Names the columns of weights.
        values: As of `check_weights`.

    Returns:
        None where there are no weights, or all are 1.
    """
    begin = columns_of_targets(experiment).stop
    columns = dict(zip(experiment.weight_columns, values[:, begin:].T, strict=True))
    ones = np.ones(len(values))
    of_rows = columns.get(experiment.table.weight or "", ones)
    weights = np.stack([of_rows * columns.get(head.weight or "", ones) for head in experiment.heads.values()], axis=1)
    return None if (weights == 1.0).all() else weights
