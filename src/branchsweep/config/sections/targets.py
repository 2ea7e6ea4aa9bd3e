"""What happens to rows in which the target of some head is missing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchsweep.config.config_model import ConfigModel


class Targets(ConfigModel):
    """How empty cells in target columns are read. A cell with a text that is no number is not empty: see `table.invalid`."""

    missing: Literal["mask", "drop", "error"] = Field(
        "mask",
        description="What an empty target cell (or one with a code of table.missing) does. mask: the row trains and scores the "
        "other heads only; drop: the row is left out; error: it is an error.",
    )
