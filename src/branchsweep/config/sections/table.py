"""Where the rows come from, and which columns are inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from branchsweep.config.config_model import LONGEST_PATH, SHORT_TEXT, ConfigModel, KeyMistake
from branchsweep.config.sections.columns import ALL_OTHER_COLUMNS, Column, as_written, named_columns
from branchsweep.config.sections.csv_options import CSV_ENDINGS, CsvOptions
from branchsweep.config.sections.database import MAX_QUERY, is_database, query_mistake, source_mistake

POWER_PLANT_TABLE = "ccpp"
"""The name of the built-in table."""

DATAFRAME = "dataframe"
"""The source of a table whose rows are passed in Python."""

POWER_PLANT_INPUTS = ("AT", "AP", "RH")
"""The input columns of the built-in table, where an experiment names none."""

POWER_PLANT_HEADS = ("PE", "V")
"""The columns of the built-in table that networks predict."""

MAX_INPUTS = 16_384
"""The most input columns: as many as a workbook has."""

MAX_SHEET = 10_000
"""The highest position of a sheet."""


class Table(ConfigModel):
    """Where the rows come from and which columns the network reads."""

    source: str = Field(
        max_length=LONGEST_PATH,
        description="A path to an xlsx, csv, csv.gz, tsv, txt, parquet, feather, jsonl or arff file; 'ccpp' for the built-in "
        "table; 'dataframe' for rows that are passed in Python; the URL of a database (see query).",
    )
    query: str | None = Field(
        None,
        max_length=MAX_QUERY,
        description="What is read from a database, such as 'select load, heat from plant order by id'; or a table's name.",
    )
    sheet: Annotated[str, Field(max_length=SHORT_TEXT)] | Annotated[int, Field(ge=0, le=MAX_SHEET)] | None = Field(
        None, description="The sheet of an xlsx file, by name or by position from 0; the first one if absent."
    )
    csv: CsvOptions | None = Field(None, description="How a csv file is written, where it is not recognised.")
    inputs: Annotated[
        Mapping[Annotated[str, Field(max_length=SHORT_TEXT)], Column],
        Field(min_length=1, max_length=MAX_INPUTS),
        BeforeValidator(named_columns),
        PlainSerializer(as_written),
    ] = Field(
        description="The input columns in the order the network reads them: a list of names, or a mapping from names to what "
        "the columns are; '*' for all columns that no head predicts and no other entry names.",
    )
    exclude: list[Annotated[str, Field(max_length=SHORT_TEXT)]] = Field(
        default_factory=list, max_length=MAX_INPUTS, description="Columns that are no inputs, where inputs has '*'."
    )
    duplicates: Literal["keep", "drop", "together"] = Field(
        "keep",
        description="What happens to rows that repeat an earlier one; together: equal rows stay on one side of every split.",
    )
    invalid: Literal["error", "drop"] = Field("error", description="What happens to rows with a missing or non-numeric value.")
    weight: Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)] | None = Field(
        None,
        description="A column of numbers from 0 that weigh each row in loss and metrics (Keras's and scikit-learn's "
        "sample_weight). It is no input.",
    )
    missing: list[float | Annotated[str, Field(min_length=1, max_length=SHORT_TEXT)]] = Field(
        default_factory=list,
        max_length=100,
        description="Numbers and texts that stand for a missing value, such as -200 or '?': a value that equals one is invalid "
        "(see invalid), and a prediction from one is missing, too.",
    )

    @property
    def takes_all_columns(self) -> bool:
        """Whether all other columns are among the inputs, whose names are known when the table is read."""
        return ALL_OTHER_COLUMNS in self.inputs

    @property
    def missing_numbers(self) -> list[float]:
        """The numbers that stand for a missing value."""
        return [code for code in self.missing if not isinstance(code, str)]

    @property
    def missing_texts(self) -> list[str]:
        """The texts that stand for a missing value."""
        return [code for code in self.missing if isinstance(code, str)]

    @field_validator("missing")
    @classmethod
    def _numbers_of_texts(cls, missing: list[float | str]) -> list[float | str]:
        """A text that is a number is that number: a file does not tell the two apart."""
        return [_number_of(code) for code in missing]

    @model_validator(mode="after")
    def _excluded_from_all(self) -> Self:
        if self.exclude and not self.takes_all_columns:
            raise ValueError("exclude leaves columns out of inputs: '*'; where inputs are named, leave them out there")
        return self

    @property
    def is_database(self) -> bool:
        """Whether the rows are the result of a query."""
        return is_database(self.source)

    @field_validator("source")
    @classmethod
    def _without_secrets(cls, source: str) -> str:
        if is_database(source) and (problem := source_mistake(source)):
            raise ValueError(problem)
        return source

    @field_validator("query")
    @classmethod
    def _reads(cls, query: str | None) -> str | None:
        if query is not None and (problem := query_mistake(query)):
            raise ValueError(problem)
        return query

    @model_validator(mode="after")
    def _query_of_database(self) -> Self:
        self._raise_mistakes(self._query_mistakes())
        return self

    def _query_mistakes(self) -> Iterator[KeyMistake]:
        if not self.is_database and self.query is not None:
            yield ("query",), "a query is read from a database: give its URL as source (sqlite:///file.db), or leave query out"
        if self.is_database and self.query is None:
            yield ("source",), "from a database a query reads the rows; add table.query: select ... from ... order by ..."
        if self.is_database and self.sheet is not None:
            yield ("sheet",), "a database has no sheets; leave it out"

    @model_validator(mode="after")
    def _csv_of_csv(self) -> Self:
        if self.csv is not None and self.source != DATAFRAME and not self.source.lower().endswith(CSV_ENDINGS):
            message = f"csv says how a csv file is written, and '{Path(self.source).name}' is none; leave it out"
            self._raise_mistakes([(("csv",), message)])
        return self


def _number_of(code: float | str) -> float | str:
    """The number that a text writes, or the text without spaces around it."""
    if not isinstance(code, str):
        return code
    try:
        number = float(code)
    except ValueError:
        return code.strip()
    return number if math.isfinite(number) else code.strip()
