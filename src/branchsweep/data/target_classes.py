"""Targets that are no plain numbers: classes, whose cells become their numbers from 0, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.config.kinds import BINARY, COUNT, MULTICLASS, REGRESSION
from branchsweep.config.sections.heads import CLASSES, MAX_CLASSES, MAX_WORDS, Head
from branchsweep.data.column_kinds import MOST_NAMED, inferred_kind
from branchsweep.data.columns import format_cell, to_numbers
from branchsweep.data.encoders.categories import UNKNOWN, category_codes, category_label
from branchsweep.errors import DataError, did_you_mean
from branchsweep.types import Floats

Classes = tuple[str, ...]
"""The labels of a head's classes. Of a binary head the negative one, then the positive one, whose probability is predicted."""

_POSITIVE = frozenset(
    {"yes", "y", "true", "t", "1", "positive", "pos", "on", "present", "failed", "fail", "failure", "fault", "faulty", "error"}
    | {
        "defect",
        "defective",
        "bad",
        "abnormal",
        "anomaly",
        "alarm",
        "trip",
        "tripped",
        "sick",
        "ill",
        "dead",
        "died",
        "churned",
    }
)
_NEGATIVE = frozenset(
    {"no", "n", "false", "f", "0", "-1", "negative", "neg", "off", "absent", "ok", "okay", "good", "pass", "passed", "success"}
    | {"normal", "none", "healthy", "alive", "survived", "intact"}
)


def target_classes(experiment: Experiment, frame: pd.DataFrame, where: str) -> dict[str, Classes]:
    """By head with classes these: of the heads that say so, and of those that say nothing and whose column has a few words.

    Args:
        experiment: The heads.
        frame: The table; texts that stand for a missing value are none any more.
        where: The table, for messages.

    Raises:
        DataError: The column of a binary head has not two classes, or not the one that is given as positive; that of a
            multiclass head has no more, or too many.
    """
    found = {}
    for name, column in experiment.columns.items():
        head = experiment.heads[name]
        if head.classes is not None:
            found[name] = tuple(head.classes)
        elif head.task == BINARY:
            found[name] = _stated(name, head, _labels(frame[column], experiment), where)
        elif head.task == MULTICLASS:
            found[name] = _several(name, head, _labels(frame[column], experiment), where)
        elif head.may_have_classes and inferred_kind(frame[column]) == "categorical":
            labels = _labels(frame[column], experiment)
            if CLASSES <= len(labels) <= MAX_WORDS:
                found[name] = _ordered(labels) if len(labels) == CLASSES else tuple(labels)
    _check_other_heads(experiment, frame, found, where)
    return found


def _check_other_heads(experiment: Experiment, frame: pd.DataFrame, found: Mapping[str, Classes], where: str) -> None:
    """Check that no other head has a column of words, which are no numbers.

    Raises:
        DataError: Some head has one.
    """
    of_classes = {experiment.columns[name] for name in found if inferred_kind(frame[experiment.columns[name]]) != "numeric"}
    for name, column in experiment.columns.items():
        if name in found or not (column in of_classes or _holds_words(frame[column], experiment)):
            continue
        labels = _labels(frame[column], experiment)
        mend = "give another column or leave the head out"
        if column not in of_classes and CLASSES <= len(labels) <= MAX_CLASSES:
            mend = f"give another column, or write task: {BINARY if len(labels) == CLASSES else MULTICLASS} to predict classes"
        task = experiment.heads[name].task or REGRESSION
        held = f"column '{column}' holds words ({', '.join(_some(labels))}), and a {task} head needs numbers"
        raise DataError(f"heads.{name}: {held}; {mend}", where)


def _holds_words(cells: pd.Series, experiment: Experiment) -> bool:
    """Whether a column has words, and no number at all."""
    return (
        inferred_kind(cells) == "categorical" and not np.isfinite(to_numbers(cells.to_frame(), experiment.table.missing)).any()
    )


def with_codes(experiment: Experiment, frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The table with the numbers of the classes, from 0, in place of these, NaN where one is missing.

    Args:
        experiment: Its heads with classes have them.
        frame: The table.
        where: The table, for messages.

    Raises:
        DataError: A cell is none of the classes.
    """
    coded: dict[str, Floats] = {}
    for name, head in experiment.heads.items():
        if head.classes is None:
            continue
        column = experiment.columns[name]
        codes = category_codes(frame[column].astype(object), head.classes)
        for row in map(int, np.flatnonzero(codes == UNKNOWN)):
            if category_label(frame[column].iat[row]) not in _missing_labels(experiment):
                got, expected = format_cell(frame[column].iat[row]), " or ".join(_some(head.classes))
                raise DataError(
                    f"column '{column}' (heads.{name}) row {frame.index[row]}: got {got}, expected {expected}", where
                )
            codes[row] = np.nan
        coded[column] = codes
    return frame.assign(**coded)


def zero_one_warnings(experiment: Experiment, frame: pd.DataFrame, classes: Mapping[str, Classes]) -> list[str]:
    """Hints at numeric targets of 0 and 1 alone, which nobody says are classes."""
    open_heads = [name for name, head in experiment.heads.items() if name not in classes and head.may_have_classes]
    return [
        f"heads.{name}: the target is 0 or 1 in every row, and is predicted as a number; to predict the probability of a 1,"
        f" write task: binary."
        for name in open_heads
        if set(np.unique(to_numbers(frame[[experiment.columns[name]]], experiment.table.missing))) == {0.0, 1.0}
    ]


def check_counts(experiment: Experiment, targets: Floats, numbers: NDArray[np.int64], where: str) -> None:
    """Check that the targets of count heads are whole numbers from 0.

    Args:
        experiment: The heads.
        targets: `(rows, heads)`, NaN where one is missing.
        numbers: The rows' numbers, for messages.
        where: The table, for messages.

    Raises:
        DataError: Some is not.
    """
    for (name, head), values in zip(experiment.heads.items(), targets.T, strict=True):
        wrong = np.flatnonzero((values < 0) | (values % 1.0 > 0))
        if head.task == COUNT and len(wrong):
            got = f"got {values[wrong[0]]:g} in row {numbers[wrong[0]]}"
            raise DataError(
                f"heads.{name}: {got} of column '{head.column or name}', expected whole numbers from 0, as a count head needs;"
                f" correct the column, or leave out task: count",
                where,
            )


def _labels(cells: pd.Series, experiment: Experiment) -> list[str]:
    """The different labels of a column, sorted (numbers by size), without what stands for a missing value."""
    found = {category_label(cell) for cell in cells.drop_duplicates().astype(object)} - _missing_labels(experiment)
    labels = sorted(label for label in found if label is not None)
    try:
        return sorted(labels, key=float)
    except ValueError:
        return labels


def _missing_labels(experiment: Experiment) -> set[str | None]:
    """The labels of what stands for a missing value."""
    return {category_label(code) for code in experiment.table.missing}


def _stated(name: str, head: Head, labels: Sequence[str], where: str) -> Classes:
    """The classes of a head that is said to be binary."""
    if len(labels) != CLASSES:
        named = ", ".join(_some(labels))
        many = f"{len(labels):,} different values ({named})" if labels else "no values"
        message = f"heads.{name}: column '{head.column or name}' has {many}, and a binary head needs exactly two"
        other = "task: multiclass predicts several classes" if len(labels) > CLASSES else "give the head another task"
        raise DataError(f"{message}; correct the column, or {other}", where)
    if head.positive is None:
        return _ordered(labels)
    positive = category_label(head.positive)
    codes = category_codes([head.positive], labels)
    if codes[0] == UNKNOWN:
        message = f"heads.{name}.positive: got '{positive}', expected one of {labels[0]}, {labels[1]}"
        raise DataError(f"{message}{did_you_mean(str(positive), labels)}", where)
    at = int(codes[0])
    return labels[1 - at], labels[at]


def _several(name: str, head: Head, labels: Sequence[str], where: str) -> Classes:
    """The classes of a head that is said to have several."""
    if not CLASSES < len(labels) <= MAX_CLASSES:
        many = f"{len(labels):,} different values ({', '.join(_some(labels))})" if labels else "no values"
        mend = "write task: binary" if len(labels) == CLASSES else "correct the column, or give the head another task"
        expected = f"a multiclass head needs {CLASSES + 1} to {MAX_CLASSES}"
        raise DataError(f"heads.{name}: column '{head.column or name}' has {many}, and {expected}; {mend}", where)
    return tuple(labels)


def _some(labels: Sequence[str]) -> list[str]:
    """Labels for a message, not too many."""
    return [*labels[:MOST_NAMED], *(["…"] if len(labels) > MOST_NAMED else [])]


def _ordered(labels: Sequence[str]) -> Classes:
    """The classes with the positive one last: by what the words mean, else by the alphabet."""
    first, last = labels
    says_first = first.lower() in _POSITIVE or last.lower() in _NEGATIVE
    says_last = last.lower() in _POSITIVE or first.lower() in _NEGATIVE
    return (last, first) if says_first and not says_last else (first, last)
