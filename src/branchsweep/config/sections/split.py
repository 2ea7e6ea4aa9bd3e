"""Which rows must stay on one side of every split."""

from __future__ import annotations

from pydantic import Field

from branchsweep.config.config_model import SHORT_TEXT, ConfigModel


class RowSplit(ConfigModel):
    """How rows are divided into test rows, folds and halves: at random one by one, or by groups."""

    group: str | None = Field(
        None,
        min_length=1,
        max_length=SHORT_TEXT,
        description="A column that says to which group a row belongs, such as a subject, a batch or a day. Rows of one group "
        "are all test rows or all training rows, and all in one fold. Rows are divided one by one if absent.",
    )
