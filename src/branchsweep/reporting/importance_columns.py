"""The columns in which hyperparameter importance is shown, in the terminal and in the report alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.metric_names import MEAN
from branchsweep.reporting.formatting import head_label

Shares = Mapping[str, float]
"""Shares by hyperparameter."""


@dataclass(frozen=True, slots=True)
class ImportanceColumn:
    """One column.

    Args:
        heads: The heads that it is for, `mean` among them; more than one where their shares are equal.
        shares: By hyperparameter.
    """

    heads: tuple[str, ...]
    shares: Shares

    @property
    def is_mean(self) -> bool:
        """Whether it is for the mean of the heads alone."""
        return self.heads == (MEAN,)

    @property
    def label(self) -> str:
        """The heads, for people."""
        return ", ".join(map(head_label, self.heads))


def importance_columns(importance: Mapping[str, Shares], heads: Sequence[str]) -> list[ImportanceColumn]:
    """A column for each head, and for the mean of several heads; heads whose shares are equal have one in common.

    Args:
        importance: By head and for `mean`, the share of each hyperparameter.
        heads: In order.
    """
    columns: list[ImportanceColumn] = []
    for head in heads if len(heads) == 1 else [*heads, MEAN]:
        shares = importance.get(head)
        if shares is None:
            continue
        same = next((index for index, column in enumerate(columns) if _equal(column.shares, shares)), None)
        if same is None:
            columns.append(ImportanceColumn((head,), shares))
        else:
            columns[same] = ImportanceColumn((*columns[same].heads, head), shares)
    return columns


def shared_column_note(columns: Sequence[ImportanceColumn]) -> str:
    """Why some heads have one column in common; empty where none have."""
    shared = [column.label for column in columns if len(column.heads) > 1]
    if not shared:
        return ""
    return f"One column for {'; one for '.join(shared)}: the same trials are the best by these scores."


def _equal(one: Shares, other: Shares) -> bool:
    return one.keys() == other.keys() and all(math.isclose(share, other[name], abs_tol=1e-9) for name, share in one.items())
