"""How a csv file is written, where an experiment says so instead of leaving it to be recognised."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from branchsweep.config.config_model import ConfigModel
from branchsweep.errors import ConfigError, did_you_mean

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".txt")
"""The endings of files that are read as csv."""

_TAB = "\\t"  # as YAML has it outside of double quotes
_NO_SEPARATORS = '"\r\n\0'
_ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "cp1251", "iso8859-15", "shift_jis", "gbk", "big5", "mac_roman")


class CsvOptions(ConfigModel):
    """How a csv file is written; what is absent is recognised from the file."""

    separator: str | None = Field(
        None,
        max_length=2,
        description="The character between columns, such as ';'. A space stands for any number of spaces.",
    )
    decimal: Literal[".", ","] | None = Field(None, description="The decimal mark.")
    thousands: str | None = Field(
        None, max_length=1, description="The character between groups of three digits, such as '.' in 1.234.567,5."
    )
    encoding: str | None = Field(
        None, max_length=50, description="The encoding, by its name in Python, such as cp1252 or utf-16."
    )

    @property
    def given(self) -> dict[str, str]:
        """The options that are given, by name."""
        return self.model_dump(exclude_none=True)

    @model_validator(mode="before")
    @classmethod
    def _without_missing(cls, options: Any) -> Any:
        if isinstance(options, Mapping) and "missing" in options:
            raise ValueError("missing is a key of the table, for all kinds of files: write table.missing: [-200, '?']")
        return options

    @field_validator("separator")
    @classmethod
    def _one_separator(cls, separator: str | None) -> str | None:
        if separator is None:
            return None
        character = "\t" if separator == _TAB else separator
        if len(character) != 1 or character in _NO_SEPARATORS or character.isalnum():
            raise ValueError(
                f"got '{separator}', expected one character that is no letter, digit or quotation mark, such as ';'"
            )
        return character

    @field_validator("thousands")
    @classmethod
    def _one_mark(cls, thousands: str | None) -> str | None:
        if thousands is not None and (len(thousands) != 1 or thousands.isalnum() or thousands in '+-"\r\n\0'):
            raise ValueError(f"got '{thousands}', expected one character that no number has by itself, such as '.' or ' '")
        return thousands

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            codec = codecs.lookup(encoding)
            "".encode(encoding)  # an encoding of texts, not one such as rot13
        except (LookupError, ValueError):
            hint = did_you_mean(encoding, _ENCODINGS)
            raise ValueError(
                f"got '{encoding}', expected the name of an encoding, such as utf-8, cp1252 or utf-16{hint}"
            ) from None
        return codec.name

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.thousands is not None and self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both '{self.decimal}'; a number has one mark for each")
        return self


def csv_options(given: Mapping[str, str], where: str) -> CsvOptions:
    """The options of these texts.

    Args:
        given: By name.
        where: Where they are given, for messages.

    Raises:
        ConfigError: There is no such option, or a text is none of its values.
    """
    try:
        return CsvOptions.model_validate(given)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    first = mistakes[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        names = CsvOptions.model_fields
        raise ConfigError(f"got '{name}', expected one of {', '.join(names)}{did_you_mean(name, names)}", where)
    problem = str(first["ctx"]["error"]) if first["type"] == "value_error" else f"got '{first['input']}'; {first['msg']}"
    raise ConfigError(f"{name}: {problem}" if name else problem, where)
