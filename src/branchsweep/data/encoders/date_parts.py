"""Encoding of dates: their parts, cyclic ones as sine and cosine.

This file imports nothing but NumPy, and pandas where a table is read: it is copied beside exported models. A raw value is a
time in seconds since 1970.

    {"kind": "date_parts", "parts": [["month", "year"], ..columns..], "scale": [{"year": [2019.5, 1.1]}, ..columns..]}

A year or an elapsed time t is (t - mean) / standard deviation, both of the training rows and in `scale`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_DAY = 86_400.0
_EPOCH_DAY_OF_WEEK = 3  # 1 January 1970 was a Thursday; Monday is 0


def seconds(cells: pd.Series) -> Floats:
    """The raw values `(rows,)` of a column of dates, or of texts as ISO 8601 writes them; NaN for anything else.

    Times with a zone are counted in UTC.
    """
    import pandas as pd  # noqa: PLC0415  # a fitted encoder needs none

    times = cells
    if not pd.api.types.is_datetime64_any_dtype(cells.dtype):
        is_number = cells.map(lambda cell: isinstance(cell, (int, float)))
        times = pd.to_datetime(cells.astype(object).where(~is_number), errors="coerce", format="ISO8601", utc=True)
    if getattr(times.dt, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray((times - pd.Timestamp(0)).dt.total_seconds(), dtype=np.float64)


def _years(time: Floats) -> Floats:
    return _in(time, "Y") + 1970.0


def _in(time: Floats, unit: str) -> Floats:
    """Whole units since 1970."""
    return _dates(time).astype(f"datetime64[{unit}]").astype(np.int64).astype(np.float64)


def _dates(time: Floats) -> NDArray[np.datetime64]:
    return np.floor(np.nan_to_num(time)).astype(np.int64).astype("datetime64[s]")


def _day_of_month(time: Floats) -> Floats:
    return _days_since(time, "M")


def _day_of_year(time: Floats) -> Floats:
    return _days_since(time, "Y")


def _days_since(time: Floats, unit: str) -> Floats:
    """Days since the beginning of the month or the year."""
    dates = _dates(time)
    return np.asarray(dates.astype("datetime64[D]") - dates.astype(f"datetime64[{unit}]").astype("datetime64[D]"), np.float64)


CYCLIC: Mapping[str, tuple[Callable[[Floats], Floats], float]] = {
    "month": (lambda time: _in(time, "M") % 12, 12.0),
    "day_of_year": (_day_of_year, 365.25),
    "day_of_month": (_day_of_month, 31.0),
    "day_of_week": (lambda time: (_in(time, "D") + _EPOCH_DAY_OF_WEEK) % 7, 7.0),
    "hour": (lambda time: np.mod(time, _DAY) / 3600.0, 24.0),
    "minute": (lambda time: np.mod(time, 3600.0) / 60.0, 60.0),
}
"""What computes a cyclic part of a time, counted from 0, and after how many it begins again."""

LINEAR: Mapping[str, Callable[[Floats], Floats]] = {"year": _years, "elapsed": lambda time: time}
"""What computes a part that does not repeat."""


def width(parts: Sequence[str]) -> int:
    """Encoded columns of so many parts."""
    return sum(2 if part in CYCLIC else 1 for part in parts)


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to encoded ones; NaN where a date is missing."""
    encoded = []
    for column, parts in enumerate(fitted["parts"]):
        time = values[:, column]
        for part in parts:
            if part in CYCLIC:
                of_time, period = CYCLIC[part]
                angle = 2.0 * np.pi * of_time(time) / period
                encoded += [np.sin(angle), np.cos(angle)]
            else:
                scale = fitted["scale"][column][part]
                encoded.append((LINEAR[part](time) - scale[0]) / scale[1])
        encoded[-width(parts) :] = [np.where(np.isnan(time), np.nan, value) for value in encoded[-width(parts) :]]
    return np.stack(encoded, axis=1)
