"""How the table of an exported model was read, as its `serving.json` records it, so that other tables are read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from branchsweep.config.sections.columns import NUMERIC, Column


@dataclass(frozen=True, slots=True)
class TableReading:
    """What a model records of how its table was read.

    Args:
        missing: The numbers and texts that stand for a missing input.
        csv: The options of a csv file that the experiment gave (`table.csv`).
        columns: By input what it is; empty where all are numbers.
        names: The inputs.
    """

    missing: Sequence[float | str] = ()
    csv: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    names: Sequence[str] = ()

    @property
    def inputs(self) -> dict[str, Column]:
        """The inputs, each with what it is."""
        return {name: self.columns.get(name, NUMERIC) for name in self.names}

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> TableReading:
        """What a manifest records; of an earlier version nothing."""
        csv = (manifest.get("provenance") or {}).get("csv", {})
        missing = [code if isinstance(code, str) else float(code) for code in manifest.get("missing", [])]
        columns = {str(name): Column.model_validate(column) for name, column in manifest.get("columns", {}).items()}
        names = [str(name) for name in manifest.get("inputs", [])]
        return cls(missing, {str(name): str(value) for name, value in csv.items()}, columns, names)
