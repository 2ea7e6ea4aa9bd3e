"""How rows are divided into test rows, folds of the search and folds of the confirmation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config.config_model import SHORT_TEXT, ConfigModel

Column = Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)]

SplitKind = Literal["shuffle", "group", "time", "column", "stratify"]
"""How rows are divided; all but shuffling are by a column."""

Gap = int | str
"""A number of rows, or a duration such as `7d`."""

DEFAULT_BINS = 10
"""The strata of a head with more values than that."""

MAX_GAP_ROWS, MAX_BINS = 1_000_000_000, 1000

_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "min": 60, "s": 1}  # in seconds
_DURATION = re.compile(rf"(\d{{1,9}}) ?({'|'.join(_UNITS)})")


class RowSplit(ConfigModel):
    """How rows are divided into test rows, folds and halves: at random one by one, unless one of these columns is given."""

    group: Column | None = Field(
        None,
        description="A column that says to which group a row belongs, such as a subject, a batch or a day. Rows of one group "
        "are all test rows or all training rows, and all in one fold. Rows are divided one by one if absent.",
    )
    time: Column | None = Field(
        None,
        description="A column of numbers or dates in whose order rows are divided: training rows before validation rows before "
        "test rows.",
    )
    gap: Annotated[int, Field(ge=0, le=MAX_GAP_ROWS)] | Annotated[str, Field(max_length=SHORT_TEXT)] | None = Field(
        None,
        description="What is left out between training rows and the validation or test rows after them, where rows are divided "
        "by time: a number of rows, or a duration (7d, 12h, 30min, 45s, 2w) where the column holds dates.",
    )
    column: Column | None = Field(
        None,
        description="A column that divides the rows: train, validation and test; or the names of folds, and test.",
    )
    stratify: Column | None = Field(
        None,
        description="A column or a head whose classes have equal shares in all parts; of a head of numbers, the parts between "
        "its quantiles.",
    )
    bins: Annotated[int, Field(ge=2, le=MAX_BINS)] | None = Field(
        None,
        description=f"How many parts between quantiles the column of stratify is divided into; {DEFAULT_BINS} for a head if "
        "absent, none for another column.",
    )

    @property
    def kind(self) -> SplitKind:
        """How rows are divided."""
        kinds: tuple[SplitKind, ...] = ("group", "time", "column", "stratify")
        return next((kind for kind in kinds if getattr(self, kind) is not None), "shuffle")

    @property
    def column_name(self) -> str | None:
        """The column, or the head, by which rows are divided; None where they are shuffled."""
        return self.group or self.time or self.column or self.stratify

    @property
    def description(self) -> str:
        """How rows are divided, for display."""
        left_out = f", gap {self.gap}" if self.gap else ""
        return {
            "shuffle": "at random, row by row",
            "group": f"at random by the groups of column '{self.group}'",
            "time": f"in the order of column '{self.time}'{left_out}",
            "column": f"as column '{self.column}' says",
            "stratify": f"at random, stratified by '{self.stratify}'",
        }[self.kind]

    def resolved(self, columns: Mapping[str, str]) -> RowSplit:
        """The same split by a column of the table where it is stratified by a head.

        Args:
            columns: The target column of each head.
        """
        if self.stratify is None or self.stratify not in columns:
            return self
        return self.model_copy(update={"stratify": columns[self.stratify], "bins": self.bins or DEFAULT_BINS})

    @model_validator(mode="before")
    @classmethod
    def _by_column(cls, split: object) -> object:
        if isinstance(split, str):
            raise ValueError(  # noqa: TRY004  # pydantic reports it with the key
                f"got '{split}', expected a column by which rows are divided, such as split: {{group: COLUMN}} or"
                f" {{time: COLUMN}}; to divide rows at random, leave split out"
            )
        return split

    @field_validator("gap")
    @classmethod
    def _known_duration(cls, gap: Gap | None) -> Gap | None:
        if isinstance(gap, str) and not _DURATION.fullmatch(gap):
            raise ValueError(f"got '{gap}', expected a number of rows, or a duration such as 7d, 12h, 30min, 45s or 2w")
        return gap

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [key for key in ("group", "time", "column", "stratify") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"got {' and '.join(given)}, expected one of them: rows are divided in one way")
        if self.gap is not None and self.time is None:
            raise ValueError("gap is left out between rows that follow each other in time; give split.time, too")
        if self.bins is not None and self.stratify is None:
            raise ValueError("bins is how many parts stratify divides a column of numbers into; give split.stratify, too")
        return self


def duration(gap: str) -> int:
    """The microseconds of a gap that is a duration."""
    match = _DURATION.fullmatch(gap)
    if match is None:
        raise ValueError(f"got '{gap}', expected a duration")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def no_halves_reason(split: RowSplit) -> str:
    """Why a comparison cannot cut the table into halves, with what to do instead; empty where it can."""
    if split.time is not None:
        return (
            f"a comparison trains on either half of the table and tests on the other, so it would predict earlier rows from"
            f" later ones, which the order of column '{split.time}' forbids; run a sweep of each and compare them by"
            f" branchsweep diff, or give the comparison an experiment with split: {{group: COLUMN}}, such as a day or a month"
        )
    if split.column is not None:
        return (
            f"a comparison cuts all rows into halves, five times anew, so what column '{split.column}' says of them cannot be"
            f" kept; leave split.column out, or keep the rows of each value together with split: {{group: {split.column}}}"
        )
    return ""
