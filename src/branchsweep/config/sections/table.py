"""Where the rows come from, and which columns are inputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config.config_model import LONGEST_PATH, SHORT_TEXT, ConfigModel

POWER_PLANT_TABLE = "ccpp"
"""The name of the built-in table."""

DATAFRAME = "dataframe"
"""The source of a table whose rows are passed in Python."""

POWER_PLANT_INPUTS = ("AT", "AP", "RH")
"""The input columns of the built-in table, where an experiment names none."""

POWER_PLANT_HEADS = ("PE", "V")
"""The columns of the built-in table that networks predict."""

ALL_OTHER_COLUMNS = "*"
"""In place of the inputs: all columns of the table that no head predicts and `exclude` does not name."""

MAX_INPUTS = 16_384
"""The most input columns: as many as a workbook has."""

MAX_SHEET = 10_000
"""The highest position of a sheet."""


class Table(ConfigModel):
    """Where the rows come from and which columns the network reads."""

    source: str = Field(
        max_length=LONGEST_PATH,
        description="A path to an xlsx, csv, csv.gz, parquet, feather, jsonl or arff file; 'ccpp' for the built-in table; "
        "'dataframe' for rows that are passed in Python.",
    )
    sheet: Annotated[str, Field(max_length=SHORT_TEXT)] | Annotated[int, Field(ge=0, le=MAX_SHEET)] | None = Field(
        None, description="The sheet of an xlsx file, by name or by position from 0; the first one if absent."
    )
    inputs: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        min_length=1,
        max_length=MAX_INPUTS,
        description="The input columns, in the order the network reads them; '*' for all columns that no head predicts.",
    )
    exclude: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=list, max_length=MAX_INPUTS, description="Columns that are no inputs, where inputs is '*'."
    )
    duplicates: Literal["keep", "drop", "together"] = Field(
        "keep",
        description="What happens to rows that repeat an earlier one; together: equal rows stay on one side of every split.",
    )
    invalid: Literal["error", "drop"] = Field("error", description="What happens to rows with a missing or non-numeric value.")

    missing: list[float] = Field(
        default_factory=list,
        max_length=100,
        description="Numbers that stand for a missing value, such as -200: a value that equals one is invalid (see invalid), "
        "and a prediction from one is missing, too.",
    )

    @property
    def takes_all_columns(self) -> bool:
        """Whether the inputs are all other columns, whose names are known when the table is read."""
        return self.inputs == [ALL_OTHER_COLUMNS]

    @field_validator("inputs", mode="before")
    @classmethod
    def _all_columns(cls, inputs: Any) -> Any:
        return [ALL_OTHER_COLUMNS] if inputs == ALL_OTHER_COLUMNS else inputs

    @model_validator(mode="after")
    def _excluded_from_all(self) -> Self:
        if self.exclude and not self.takes_all_columns:
            raise ValueError("exclude leaves columns out of inputs: '*'; where inputs are named, leave them out there")
        return self

    @field_validator("inputs")
    @classmethod
    def _once(cls, inputs: list[str]) -> list[str]:
        if len(set(inputs)) < len(inputs):
            raise ValueError("each input column may be listed only once")
        if ALL_OTHER_COLUMNS in inputs and len(inputs) > 1:
            raise ValueError(f"'{ALL_OTHER_COLUMNS}' stands for all columns that no head predicts; give it alone")
        return inputs
