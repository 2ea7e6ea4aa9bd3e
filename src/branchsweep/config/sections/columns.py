"""What an input column is: numbers, categories or dates, and what becomes of its gaps.

`table.inputs` is a list of names, or a mapping from names to `Column`. What a column leaves open is inferred from the table
when that is read (`data/column_kinds.py`), and recorded with the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config import kinds
from branchsweep.config.config_model import SHORT_TEXT
from branchsweep.config.file_model import PythonModel
from branchsweep.errors import did_you_mean

ColumnKind = Literal["numeric", "categorical", "date"]
"""What the values of a column are."""

DatePart = Literal["year", "month", "day_of_year", "day_of_month", "day_of_week", "hour", "minute", "elapsed"]
"""What a network reads of a date. All but `year` and `elapsed` (the time since the first training row) are cyclic."""

ALL_OTHER_COLUMNS = "*"
"""In place of names: all columns of the table that no head predicts, `exclude` does not name, and no other entry."""

MAX_CATEGORIES = 10_000
"""The most categories of a column."""


def _name_the_encoders(schema: dict[str, Any]) -> None:
    """In the JSON Schema, an encoder is one of those that there are now."""
    schema["anyOf"] = [{"enum": kinds.all_names(kinds.ENCODERS)}, {"type": "null"}]


class Column(PythonModel):
    """One input column."""

    kind: ColumnKind | None = Field(
        None,
        description="What its values are; inferred if absent: texts and booleans are categorical, numbers numeric.",
    )
    missing: Literal["error", "mean", "indicator"] = Field(
        "error",
        description="What becomes of an empty cell of a numeric column. error: as table.invalid says; mean: the mean of the "
        "training rows stands for it; indicator: likewise, and a further column says where it does. Among categories, missing "
        "is one of its own.",
    )
    categories: list[Annotated[str, Field(max_length=SHORT_TEXT)]] | None = Field(
        None,
        max_length=MAX_CATEGORIES,
        description="The categories of a categorical column, in order; those of the table, sorted, if absent.",
    )
    has_gaps: bool = Field(
        False,
        description="Whether some cell of a categorical column is empty; inferred from the table.",
        json_schema_extra={"readOnly": True},
    )
    input_scaling: str | None = Field(
        None,
        description="The encoder of this numeric column; what the hyperparameter input_scaling says if absent.",
        json_schema_extra=_name_the_encoders,
    )
    parts: list[DatePart] | None = Field(
        None, min_length=1, max_length=8, description="What the network reads of a date, such as [month, hour, day_of_week]."
    )

    @field_validator("input_scaling")
    @classmethod
    def _is_known(cls, scaling: str | None) -> str | None:
        if scaling is not None and scaling not in kinds.ENCODERS:
            known = kinds.all_names(kinds.ENCODERS)
            raise ValueError(f"got '{scaling}', expected one of {', '.join(known)}{did_you_mean(scaling, known)}")
        return scaling

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "date" and not self.parts:
            raise ValueError("of a date, say which parts the network reads: {kind: date, parts: [month, hour, day_of_week]}")
        if self.parts and self.kind != "date":
            raise ValueError("parts are those of dates: give kind: date, too")
        if self.categories is not None and self.kind != "categorical":
            raise ValueError("categories are those of a categorical column: give kind: categorical, too")
        if self.input_scaling is not None and self.kind not in (None, "numeric"):
            raise ValueError(f"input_scaling is for numeric columns, and this one is {self.kind}; leave it out")
        if self.missing != "error" and self.kind not in (None, "numeric"):
            raise ValueError(f"missing is for numeric columns, and this one is {self.kind}; leave it out")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError("each category may be listed only once")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it is what a list of names says: numbers without gaps, or not known yet."""
        return self.kind in (None, "numeric") and self.missing == "error" and self.input_scaling is None

    @property
    def is_read_from_table(self) -> bool:
        """Whether the table decides how many columns it is encoded as: by its kind, its categories, or whether it has gaps."""
        return self.kind in (None, "categorical") or self.missing == "indicator"

    @property
    def or_number(self) -> Column:
        """The column; one of numbers, if it may be something else that only the table says."""
        is_open = self.kind is None or (self.kind == "categorical" and not self.categories)
        return Column(kind="numeric", missing=self.missing, input_scaling=self.input_scaling) if is_open else self

    @property
    def fills_gaps(self) -> bool:
        """Whether a network can be given a row in which it is missing."""
        return self.missing != "error" or self.has_gaps


NUMERIC = Column.model_validate({"kind": "numeric"})  # its constructor needs modules that import this one
"""A column of numbers without gaps."""


def named_columns(inputs: Any) -> Any:
    """A list of names as the mapping that it stands for; anything else as it is, for the model to judge."""
    names = [inputs] if inputs == ALL_OTHER_COLUMNS else inputs
    if isinstance(names, str) or names == []:
        given = f"'{names}'" if names else "an empty list"
        raise ValueError(f"got {given}, expected a list of names, a mapping from names to what the columns are, or '*'")
    if isinstance(names, list):
        wrong = [name for name in names if not isinstance(name, str)]
        if wrong and isinstance(wrong[0], Mapping):
            texts = [name for name in names if isinstance(name, str)]
            entries = ", ".join([*(f"{name}: {{}}" for name in texts[:2]), f"{next(iter(wrong[0]), 'NAME')}: {{kind: …}}"])
            raise ValueError(
                f"got a mapping in a list of names, expected one mapping for all of them: inputs: {{{entries}, …}}"
            )
        if wrong:
            raise ValueError(f"got {wrong[0]!r} for the name of an input column, expected a text; put it in quotes")
        if len(set(names)) < len(names):
            raise ValueError("each input column may be listed only once")
        return {name: Column() for name in names}
    if isinstance(inputs, Mapping):
        return {name: {} if column is None else column for name, column in inputs.items()}
    return inputs


def as_written(columns: Mapping[str, Column]) -> list[str] | dict[str, dict[str, Any]]:
    """The columns as YAML and records have them: a list of names where all are plain."""
    if all(column.is_plain for column in columns.values()):
        return list(columns)
    return {name: column.model_dump(exclude_defaults=True, exclude_none=True) for name, column in columns.items()}
