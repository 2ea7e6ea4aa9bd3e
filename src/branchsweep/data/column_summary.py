"""What each column of a dataset is, and what its values are like: for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from branchsweep.config.kinds import MULTICLASS
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.sections.heads import CLASSES
from branchsweep.data.columns import count_noun
from branchsweep.data.dataset import Dataset
from branchsweep.errors import escape_controls
from branchsweep.types import Floats

MOST_CATEGORIES = 4
"""Categories that are named, at most."""

_MOST_CHARACTERS = 40  # of a category that is named

_FILLED = "filled with the mean of the training rows"
_GAPS = {
    "mean": _FILLED,
    "indicator": f"{_FILLED}, and a further column says where",
    "categorical": "which is a category of its own",
    "head": "which train and score the other heads alone",
}  # what becomes of them, by `Column.missing`, kind or role


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """A column over all rows, in natural units.

    Args:
        name: An input's column, or a head's name.
        role: `input` or `head`.
        kind: `numeric`, `categorical` or `date`; `binary` of a head with two classes, `multiclass` of one with more.
        detail: The categories or the span of dates, how many values are missing and what becomes of these rows; empty for plain
            numbers.
        low: The smallest number; NaN where values are no numbers, as all that follow.
        mean: The mean.
        high: The largest number.
        sd: The standard deviation.
    """

    name: str
    role: Literal["input", "head"]
    kind: str
    detail: str
    low: float
    mean: float
    high: float
    sd: float


def summarize_columns(dataset: Dataset) -> Iterator[ColumnSummary]:
    """The inputs, then the heads."""
    for position, (name, column) in enumerate(dataset.input_columns.items()):
        yield _summary(name, "input", column, dataset.x[:, position])
    for position, name in enumerate(dataset.heads):
        summary = _summary(name, "head", NUMERIC, dataset.y[:, position])
        yield _of_classes(summary, dataset.classes[name]) if name in dataset.classes else summary


def _summary(name: str, role: Literal["input", "head"], column: Column, values: Floats) -> ColumnSummary:
    known = values[~np.isnan(values)]
    missing, kind = len(values) - len(known), column.kind or "numeric"
    answer = _GAPS["head"] if role == "head" else _GAPS.get(column.missing) or _GAPS.get(kind, "")
    gaps = ", ".join(filter(None, [f"{count_noun(missing, 'row')} without a value", answer])) if missing else ""
    phrases = [_content(column, known), gaps]
    numbers = (math.nan,) * 4
    if kind == "numeric" and len(known):
        numbers = float(known.min()), float(known.mean()), float(known.max()), float(known.std())
    return ColumnSummary(name, role, kind, "; ".join(filter(None, phrases)), *numbers)


def _of_classes(summary: ColumnSummary, classes: Sequence[str]) -> ColumnSummary:
    """The summary of a head with classes, whose values are their numbers from 0."""
    if len(classes) > CLASSES:
        count, named = count_and_names(classes)
        detail = f"{count.replace('categories', 'classes')}, whose probabilities are predicted: {named}"
        detail = "; ".join(filter(None, [detail, summary.detail]))
        return ColumnSummary(summary.name, "head", MULTICLASS, detail, *(math.nan,) * 4)
    other, positive = (escape_controls(name[:_MOST_CHARACTERS]) for name in classes)
    detail = f"1 is {positive}, the positive class, whose probability is predicted; 0 is {other}"
    return replace(summary, kind="binary", detail="; ".join(filter(None, [detail, summary.detail])))


def _content(column: Column, known: Floats) -> str:
    if column.kind == "categorical":
        return ": ".join(count_and_names(column.categories or []))
    if column.kind == "date" and len(known):
        first, last = (np.datetime64(int(time), "s").astype("datetime64[D]") for time in (known.min(), known.max()))
        return f"{first} to {last}, read as {', '.join(column.parts or ())}"
    return ""


def count_and_names(categories: Sequence[str]) -> tuple[str, str]:
    """How many categories there are, and the names of the first of them: `2 categories` and `a, b`."""
    names = [
        escape_controls(name[:_MOST_CHARACTERS]) + "…" * (len(name) > _MOST_CHARACTERS) for name in categories[:MOST_CATEGORIES]
    ]
    listed = ", ".join([*names, *(["…"] if len(categories) > MOST_CATEGORIES else [])])
    return f"{len(categories):,} {'category' if len(categories) == 1 else 'categories'}", listed
