"""Warnings about the rows of a table: numbers that may stand for missing values, and rows that may not be independent.

Both are guesses from the values. They change nothing: a user decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.data.columns import count_noun
from branchsweep.data.group_columns import GroupColumn, group_labels, share_of_neighbours
from branchsweep.data.splitters.time import dates_of
from branchsweep.types import Floats

_FEWEST_REPETITIONS = 3  # of a value that may be a code
_FEWEST_OTHERS = 10  # rows with another value
_FEWEST_DISTINCT = 5  # other values
_MOST_CODES = 3  # of a column
_DOMINANCE = 3.0  # how many times as often as any other value
_GAP = 0.1  # to the nearest other value, in ranges of the others
_MOST_COLUMNS = 5  # that a warning names
_TYPICAL_CODE = re.compile(r"-?9{2,}(\.9+)?|-?8{3,}|-1|-?9\.96920996838687e\+36|-?1e\+\d\d|-32768|32767|65535|-2147483648")

_GROUP_WORDS = frozenset(
    {
        "animal",
        "batch",
        "campaign",
        "charge",
        "cluster",
        "customer",
        "date",
        "datetime",
        "day",
        "device",
        "engine",
        "experiment",
    }
    | {"family", "group", "household", "id", "identifier", "location", "lot", "machine", "participant", "patient", "person"}
    | {"plot", "run", "sample", "sensor", "session", "site", "specimen", "station", "subject", "timestamp", "unit", "user"}
    | {"vehicle", "visit", "volunteer", "well"}
)
_LEAST_ROWS_PER_GROUP = 2.0
_LEAST_SHARE = 0.1  # of a target's variance that lies between groups
_FEWEST_TIMES = 20
_LEAST_TIMES = 0.5  # of the rows, that have a time of their own
_LEAST_NEIGHBOUR_SHARE = 0.5  # of a target's variance that a row has in common with the row before


def code_warnings(columns: Sequence[str], values: Floats) -> list[str]:
    """Warnings of values that may stand for missing ones.

    Such a value is the smallest or the largest of its column, repeats, and is far from all others: it is much more frequent
    than any other and the gap beside it wider than all gaps between others, or it is of a typical form (-999) and the gap
    wider than their range.

    Args:
        columns: The columns' names.
        values: `(rows, columns)`, finite, or NaN where there is none.
    """
    found: dict[float, list[str]] = {}
    for name, column in zip(columns, values.T, strict=True):
        for code, count in _codes(column):
            found.setdefault(code, []).append(f"{name} ({count_noun(count, 'row')})")
    if not found:
        return []
    places = "; ".join(f"{code:.15g} in {_listed(columns)}" for code, columns in found.items())
    codes = ", ".join(f"{code:.15g}" for code in found)
    warning = (
        f"Values that repeat far from all others may stand for missing ones: {places}. If they do, write"
        f" table.missing: [{codes}], and table.invalid: drop to leave such rows out."
    )
    return [warning]


def _codes(column: Floats) -> list[tuple[float, int]]:
    """The values of a column that may be codes, each with its number of rows."""
    distinct, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    found: list[tuple[float, int]] = []
    while len(found) < _MOST_CODES and len(distinct) > _FEWEST_DISTINCT:
        at_end = [index for index in (0, -1) if _is_code(distinct, counts, index)]
        if not at_end:
            break
        index = max(at_end, key=lambda index: abs(float(distinct[index] - distinct[1 if index == 0 else -2])))
        found.append((float(distinct[index]), int(counts[index])))
        distinct, counts = np.delete(distinct, index), np.delete(counts, index)
    return found


def _is_code(distinct: Floats, counts: NDArray[np.int64], index: int) -> bool:
    """Whether the first (0) or last (-1) of sorted distinct values may be a code."""
    others, repetitions = np.delete(distinct, index), np.delete(counts, index)
    if counts[index] < _FEWEST_REPETITIONS or repetitions.sum() < _FEWEST_OTHERS:
        return False
    gap = abs(float(distinct[index] - others[index]))
    spread, widest = float(np.ptp(others)), float(np.diff(others).max())
    if gap > spread and _TYPICAL_CODE.fullmatch(f"{distinct[index]:.15g}"):
        return True
    return bool(counts[index] >= _DOMINANCE * repetitions.max() and gap > max(widest, _GAP * spread))


def looks_like_group(name: str) -> bool:
    """Whether a column's name is one of those that say whom or what a row is about: a subject, a batch, a day."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    singular = {word.removesuffix("s") for word in words} | {word.removesuffix("id") for word in words}
    return not _GROUP_WORDS.isdisjoint({*words, *singular})


def dependence_warnings(frame: pd.DataFrame, targets: Mapping[str, Floats], grouped: Sequence[GroupColumn] = ()) -> list[str]:
    """Warnings of columns by which rows that are divided one by one are not independent.

    Args:
        frame: The columns that may be groups or times, of the rows that are used.
        targets: By head its values `(rows,)`.
        grouped: Those of the columns that group the rows by their values; all others are looked at by their names.
    """
    by_name = group_warnings(frame, targets)
    by_values = {column.name: column.warning for column in grouped if column.name not in by_name}
    times = time_warnings(frame.drop(columns=[*by_name, *by_values]), targets)
    return [*by_name.values(), *by_values.values(), *times]


def group_warnings(frame: pd.DataFrame, targets: Mapping[str, Floats]) -> dict[str, str]:
    """By column that groups the rows, a warning: where rows of one group are alike, they are not independent.

    Args:
        frame: The columns that may be groups, of the rows that are used.
        targets: By head its values `(rows,)`, NaN where there is none.
    """
    warnings = {}
    for name in frame.columns:
        if not looks_like_group(str(name)):
            continue
        labels = group_labels(frame[name])
        groups = len(np.unique(labels))
        if groups < 2 or len(labels) < _LEAST_ROWS_PER_GROUP * groups:
            continue
        head, share = max(
            ((head, _share_between(labels, values)) for head, values in targets.items()), key=lambda pair: pair[1]
        )
        if share >= _LEAST_SHARE:
            are_days = groups < frame[name].nunique()
            remedy = (
                f"test on later days, write split: {{time: {name}}}"
                if are_days
                else f"keep every group on one side of every split, write split: {{group: {name}}}"
            )
            warnings[str(name)] = (
                f"Column '{name}' groups the rows: it has {count_noun(groups, 'value')} in {count_noun(len(labels), 'row')},"
                f" and {share:.0%} of the variance of head {head} lies between them. Test rows and folds are cut as if rows"
                f" were independent, so scores hold for further rows of the same groups, and may be far too good for new ones."
                f" To {remedy}."
            )
    return warnings


def time_warnings(frame: pd.DataFrame, targets: Mapping[str, Floats]) -> list[str]:
    """Warnings of columns of times, where rows that follow each other have like targets: to predict between them is no test.

    Args:
        frame: The columns that may be times, of the rows that are used.
        targets: By head its values `(rows,)`.
    """
    warnings = []
    for name in frame.columns:
        dates = dates_of(frame[name]) if looks_like_group(str(name)) else None
        if dates is None or dates.isna().any() or dates.nunique() < max(_FEWEST_TIMES, _LEAST_TIMES * len(dates)):
            continue
        order = np.argsort(dates.to_numpy(), kind="stable")
        shares = {head: share_of_neighbours(values[order]) for head, values in targets.items()}
        head = max(shares, key=shares.__getitem__)
        if shares[head] >= _LEAST_NEIGHBOUR_SHARE:
            warnings.append(
                f"Column '{name}' orders the rows in time, and a row has {shares[head]:.0%} of the variance of head {head} in"
                f" common with the row before. Test rows and folds are cut as if rows were independent, so scores hold for"
                f" times between those of the training rows, and may be far too good for later ones. To test on later rows,"
                f" write split: {{time: {name}}}."
            )
    return warnings


def _share_between(labels: NDArray[np.intp], values: Floats) -> float:
    """The share of the variance that lies between groups, corrected for their number (epsilon squared): 0 for random groups.

    Kelley, "An unbiased correlation ratio measure", Proceedings of the National Academy of Sciences 21 (1935) 554-559.
    """
    known = ~np.isnan(values)
    _, labels = np.unique(labels[known], return_inverse=True)
    values = values[known]
    groups, rows = int(labels.max(initial=-1)) + 1, len(values)
    counts = np.bincount(labels, minlength=groups)
    means = np.bincount(labels, weights=values, minlength=groups) / np.maximum(counts, 1)
    total = float(((values - values.mean()) ** 2).sum())
    within = float(((values - means[labels]) ** 2).sum())
    return 1.0 - (within / (rows - groups)) / (total / (rows - 1)) if total > 0.0 and rows > groups else 0.0


def _listed(places: Sequence[str]) -> str:
    more = f" and {len(places) - _MOST_COLUMNS} more" if len(places) > _MOST_COLUMNS else ""
    noun = "column" if len(places) == 1 else "columns"
    return f"{noun} {', '.join(places[:_MOST_COLUMNS])}{more}"
