"""Frozen values to JSON and back, by their type annotations.

Every value that is kept in a store or printed for programs goes through these functions: dataclasses, tuples, mappings with
whole numbers as keys, and floats that JSON has no number for. What is read back (`to_json`, `from_json`) has the strings "nan",
"inf" and "-inf" for them, what is printed for other programs (`to_public_json`) has null.

A field may have another name in JSON than in Python: `Annotated[int, json_name("best_of")]`. Where the form in JSON differs in
more than that, it is a frozen dataclass of its own (`SweepSummaryJson`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, WrapSerializer

Value = TypeVar("Value")


NullableFloat = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that is also read from null, which stands for NaN where `to_data` was called with `nan=None`."""

Time = Annotated[datetime, PlainSerializer(datetime.isoformat)]
"""A time, in JSON as in ISO 8601."""


def json_name(name: str) -> Any:
    """The annotation of a field that has another name in JSON than in Python."""
    return Field(alias=name)


class _Entries:
    """What is written in the place of an inlined field."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self.entries = entries


Inline = Annotated[Value, WrapSerializer(lambda value, dump: _Entries(dump(value)))]
"""A mapping or a dataclass whose entries are written in the place of the field, beside the others. It is not read back."""


def to_data(value: object, kind: Any = None, nan: str | None = "nan") -> Any:
    """The value as JSON knows it: dicts, lists, strings, finite numbers, booleans and None.

    Args:
        value: A dataclass, or what else `kind` describes.
        kind: The type; that of the value if None.
        nan: What stands for NaN. With None it is only read back where the type is `NullableFloat`.
    """
    return _strict(_dumped(value, kind or type(value)), lambda number: nan if math.isnan(number) else str(float(number)))


def to_json(value: object, kind: Any = None, indent: int | None = None) -> str:
    """The value as JSON text, for `from_json`."""
    return json.dumps(to_data(value, kind), allow_nan=False, ensure_ascii=False, indent=indent)


def to_public_json(value: object, ascii_only: bool = True) -> str:
    """The value as JSON text for other programs: null stands for what is no finite number. It is not read back.

    Args:
        value: A dataclass.
        ascii_only: Whether other characters are escaped.
    """
    data = _strict(_dumped(value, type(value)), lambda _number: None)
    return json.dumps(data, allow_nan=False, ensure_ascii=ascii_only)


def from_data(kind: type[Value], data: Any) -> Value:
    """The value that `to_data` described.

    Raises:
        ValueError: The data does not describe a value of this type.
    """
    value: Value = _adapter(kind).validate_python(data)
    return value


def from_json(kind: type[Value], text: str) -> Value:
    """The value that `to_json` wrote.

    Raises:
        ValueError: The text is no JSON, or does not describe a value of this type.
    """
    return from_data(kind, json.loads(text))


_adapters: dict[Any, TypeAdapter[Any]] = {}  # making one takes longer than using it


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _dumped(value: object, kind: Any) -> Any:
    return _adapter(kind).dump_python(value, by_alias=True)


def _strict(value: Any, not_finite: Callable[[float], str | None]) -> Any:
    """The value with inlined entries in their places, and `not_finite` of what strict JSON has no number for."""
    if isinstance(value, dict):
        data: dict[Any, Any] = {}
        for key, inner in value.items():
            if isinstance(inner, _Entries):
                data |= _strict(inner.entries, not_finite)
            else:
                data[key] = _strict(inner, not_finite)
        return data
    if isinstance(value, (list, tuple)):
        return [_strict(inner, not_finite) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return not_finite(value)
    return value
