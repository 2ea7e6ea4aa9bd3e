"""The targets of a registered model in another table: which heads have any there, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from branchsweep.config.kinds import DEFAULT_HEAD
from branchsweep.data.columns import to_numbers, without_missing_texts
from branchsweep.data.encoders.categories import UNKNOWN, category_codes
from branchsweep.metrics.actual import Actual
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.types import Floats

if TYPE_CHECKING:
    from branchsweep.models.serving import Table


def recorded_heads(manifest: Mapping[str, Any]) -> dict[str, Head]:
    """By head of a model its kind.

    Args:
        manifest: Its `serving.json`.
    """
    losses = (manifest.get("provenance") or {}).get("losses", {})
    return {str(head["name"]): head_kind(losses.get(head["name"], DEFAULT_HEAD)) for head in manifest["heads"]}


def recorded_targets(manifest: Mapping[str, Any], table: Table) -> Actual:
    """The targets of a model in a table, NaN where there is none.

    Args:
        manifest: Its `serving.json`, which names the target column of each head.
        table: The table.
    """
    columns = (manifest.get("provenance") or {}).get("columns", {})
    values = np.full((len(table), len(manifest["heads"])), np.nan)
    for position, described in enumerate(manifest["heads"]):
        column = columns.get(described["name"])
        if column in table.columns:
            values[:, position] = _targets(table[[column]], described.get("classes"), manifest.get("missing", []))
    return Actual(values)


def _targets(column: Table, classes: list[str] | None, missing: list[float | str]) -> Floats:
    """The targets of a head `(rows,)`; of a head of classes their positions."""
    frame = without_missing_texts(column, missing)
    if classes:
        codes = category_codes(frame.iloc[:, 0].astype(object), classes)
        return np.where(codes == UNKNOWN, np.nan, codes)
    return to_numbers(frame, missing)[:, 0]
