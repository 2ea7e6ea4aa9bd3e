"""How all input columns of a network are encoded together: each by an encoder of its kind.

    numeric columns, gaps filled with the training rows' means   the encoder that the column or `input_scaling` names, and that
                                                                 beside it
    numeric columns whose gaps are pointed out                   missing_indicator
    categorical columns                                          categories: one-hot, or hashed where there are many
    dates                                                        date_parts

Where all columns are numbers without gaps there is one encoder, and what is recorded is its own state; else

    {"kind": "columns", "parts": [{"columns": [0, 2], "fill": [9.3, 4.0], "encoder": {"kind": "quantile", …}}, …]}

with the positions of each part's raw columns, and what stands for a missing value in them (null: nothing does).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from branchsweep.config.sections.columns import Column
from branchsweep.data.encoders import categories, date_parts, missing_indicator
from branchsweep.data.encoders.encoder import Encoder, FittedEncoder
from branchsweep.data.encoders.registry import encoder_kind, fitted_from_json
from branchsweep.types import Floats

COLUMNS = "columns"
"""The kind of what is recorded of several encoders."""


class InputEncoding(NamedTuple):
    """The hyperparameters that say how inputs are encoded.

    Args:
        scaling: `input_scaling`, the encoder of numeric columns.
        bins: Of encoders that have bins.
        one_hot_limit: The most categories of a column that is encoded one-hot.
        hash_columns: The encoded columns of a column with more.
    """

    scaling: str
    bins: int = 48
    one_hot_limit: int = 64
    hash_columns: int = 16

    @property
    def numeric(self) -> Encoder:
        """The encoder of numeric columns."""
        kind = encoder_kind(self.scaling)
        return kind.with_bins(self.bins) if kind.with_bins else kind


class _Part(NamedTuple):
    """Columns that one encoder encodes together."""

    columns: list[int]
    encoder: Encoder
    width: int
    fills: bool = False


@dataclass(frozen=True, slots=True)
class InputEncoder:
    """The encoder of all input columns.

    Args:
        columns: What they are, in order.
        encoding: How they are encoded.
    """

    columns: tuple[Column, ...]
    encoding: InputEncoding

    @property
    def width(self) -> int:
        """Encoded columns."""
        return sum(part.width for part in self._parts)

    def fit(self, x: Floats, y: Floats) -> FittedEncoder | FittedInputs:
        """The fitted encoder.

        Args:
            x: `(rows, columns)` the raw inputs of the training rows; nothing else may be seen.
            y: `(rows, heads)` their targets.
        """
        parts = self._parts
        if len(parts) == 1 and not parts[0].fills and len(parts[0].columns) == len(self.columns):
            return parts[0].encoder.fit(x, y)
        return FittedInputs(tuple(_fit_part(part, x, y) for part in parts))

    def _by_scaling(self, numeric: Sequence[int]) -> dict[str, list[int]]:
        """The numeric columns by the name of their encoder."""
        by_scaling: dict[str, list[int]] = {}
        for position in numeric:
            by_scaling.setdefault(self.columns[position].input_scaling or self.encoding.scaling, []).append(position)
        return by_scaling

    def _scaled(self, scaling: str, positions: list[int]) -> list[_Part]:
        """Numeric columns as one encoder encodes them, and the one beside it."""
        kind = self.encoding._replace(scaling=scaling).numeric
        fills = any(self.columns[position].missing != "error" for position in positions)
        kinds = [encoder_kind(kind.beside), kind] if kind.beside else [kind]
        return [_Part(positions, kind, kind.width(len(positions)), fills) for kind in kinds]

    @property
    def _parts(self) -> list[_Part]:
        by_kind: dict[str | None, list[int]] = {}
        for position, column in enumerate(self.columns):
            by_kind.setdefault(column.kind or "numeric", []).append(position)
        numeric = by_kind.get("numeric", [])
        parts = [part for scaling, alike in self._by_scaling(numeric).items() for part in self._scaled(scaling, alike)]
        pointed = [position for position in numeric if self.columns[position].missing == "indicator"]
        if pointed:
            parts.append(_Part(pointed, _INDICATOR, len(pointed)))
        if categorical := by_kind.get("categorical"):
            lists = [self.columns[position] for position in categorical]
            parts.append(_categorical_part(categorical, lists, self.encoding))
        if dates := by_kind.get("date"):
            parts.append(_date_part(dates, [list(self.columns[position].parts or ()) for position in dates]))
        return parts


@dataclass(frozen=True, slots=True, eq=False)
class FittedInputs:
    """Fitted encoders of several kinds.

    Args:
        parts: The positions of the raw columns of each, what stands for a missing value in them (None: nothing), and the
            encoder.
    """

    parts: tuple[tuple[list[int], list[float] | None, FittedEncoder], ...]

    @property
    def encoders(self) -> list[FittedEncoder]:
        """The encoders."""
        return [encoder for _, _, encoder in self.parts]

    def transform(self, values: Floats) -> Floats:
        """Raw columns `(rows, columns)` to encoded ones `(rows, width)`."""
        encoded = [encoder.transform(filled(values[:, columns], fill)) for columns, fill, encoder in self.parts]
        return np.concatenate(encoded, axis=1)

    def to_json(self) -> dict[str, Any]:
        """As plain values; see above."""
        parts = [{"columns": columns, "fill": fill, "encoder": encoder.to_json()} for columns, fill, encoder in self.parts]
        return {"kind": COLUMNS, "parts": parts}


FittedInputEncoder = FittedEncoder | FittedInputs
"""A fitted encoder of all inputs."""


def fitted_inputs_from_json(data: Mapping[str, Any]) -> FittedInputEncoder:
    """What `to_json` described.

    Raises:
        KeyError: No registered encoder is served under its kind.
    """
    if data["kind"] != COLUMNS:
        return fitted_from_json(data)
    return FittedInputs(tuple((part["columns"], part["fill"], fitted_from_json(part["encoder"])) for part in data["parts"]))


def encoders_of(fitted: FittedInputEncoder) -> list[FittedEncoder]:
    """The encoders that it consists of."""
    return fitted.encoders if isinstance(fitted, FittedInputs) else [fitted]


def filled(values: Floats, fill: Sequence[float] | None) -> Floats:
    """The values with those that stand for missing ones."""
    return values if fill is None else np.where(np.isnan(values), np.asarray(fill), values)


def _fit_part(part: _Part, x: Floats, y: Floats) -> tuple[list[int], list[float] | None, FittedEncoder]:
    values = x[:, part.columns]
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    fill = (sums / np.maximum(counts, 1)).tolist() if part.fills else None
    return part.columns, fill, part.encoder.fit(filled(values, fill), y)


_INDICATOR = Encoder("missing_indicator", lambda _values, _targets: {}, missing_indicator, None)


def _categorical_part(positions: list[int], columns: Sequence[Column], encoding: InputEncoding) -> _Part:
    """One-hot columns of those with few categories, and hashed ones of the others."""
    targets = [_encoded_columns(column.categories or [], encoding) for column in columns]
    gaps = [column.has_gaps for column in columns]
    widths = [
        (len(own) if len(own) <= encoding.one_hot_limit else encoding.hash_columns) + gap
        for own, gap in zip(targets, gaps, strict=True)
    ]

    def fit(values: Floats, _: Floats) -> Mapping[str, Any]:
        found, missing = [], []
        for column, (own, gap, width) in enumerate(zip(targets, gaps, widths, strict=True)):
            seen = set(values[:, column][~np.isnan(values[:, column])].astype(int).tolist())
            found.append([target if code in seen else -1 for code, target in enumerate(own)])
            missing.append(width - 1 if gap and np.isnan(values[:, column]).any() else -1)
        return {"positions": found, "missing": missing, "widths": widths}

    return _Part(positions, Encoder("categories", fit, categories, None), sum(widths))


def _encoded_columns(labels: Sequence[str], encoding: InputEncoding) -> list[int]:
    """By category, its encoded column: one of its own, or where there are too many, one that a checksum of its label picks."""
    if len(labels) <= encoding.one_hot_limit:
        return list(range(len(labels)))
    return [zlib.crc32(label.encode()) % encoding.hash_columns for label in labels]


def _date_part(positions: list[int], parts: Sequence[list[str]]) -> _Part:
    def fit(values: Floats, _: Floats) -> Mapping[str, Any]:
        scales = [
            {part: _mean_and_spread(date_parts.LINEAR[part](values[:, column])) for part in own if part in date_parts.LINEAR}
            for column, own in enumerate(parts)
        ]
        return {"parts": parts, "scale": scales}

    return _Part(positions, Encoder("date_parts", fit, date_parts, None), sum(date_parts.width(own) for own in parts))


def _mean_and_spread(values: Floats) -> list[float]:
    spread = float(values.std())
    return [float(values.mean()), spread if spread > 0 else 1.0]
