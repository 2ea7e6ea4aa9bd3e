"""Frozen values to JSON and back, by their type annotations.

Every value that is kept in a store or printed for programs goes through these two functions: dataclasses, tuples, mappings with
whole numbers as keys, and floats that JSON has no number for, which become the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, TypeAdapter

Value = TypeVar("Value")


NullableFloat = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that is also read from null, which stands for NaN where `to_data` was called with `nan=None`."""


def to_data(value: object, kind: Any = None, nan: str | None = "nan") -> Any:
    """The value as JSON knows it: dicts, lists, strings, finite numbers, booleans and None.

    Args:
        value: A dataclass, or what else `kind` describes.
        kind: The type; that of the value if None.
        nan: What stands for NaN. With None it is only read back where the type is `NullableFloat`.
    """
    return _strict(_adapter(kind or type(value)).dump_python(value), nan)


def to_json(value: object, kind: Any = None, indent: int | None = None) -> str:
    """The value as JSON text, for `from_json`."""
    return json.dumps(to_data(value, kind), allow_nan=False, ensure_ascii=False, indent=indent)


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


def _strict(value: Any, nan: str | None) -> Any:
    """The value with strings for what strict JSON has no number for, and `nan` for NaN."""
    if isinstance(value, dict):
        return {key: _strict(inner, nan) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(inner, nan) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return nan if math.isnan(value) else str(float(value))
    return value
