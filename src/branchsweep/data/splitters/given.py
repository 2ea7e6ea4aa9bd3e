"""A column of the table says which rows are for training, validation and test, or of which fold they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.split import RowSplit, no_halves_reason
from branchsweep.config.sections.validation import HoldOut, KFold, TestRows
from branchsweep.data.columns import column_name, count_noun
from branchsweep.data.splitters.group import Group
from branchsweep.data.splitters.shuffle import Shuffle
from branchsweep.errors import DataError
from branchsweep.types import Fold, Positions

_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""What the cells of such a column may say beside names of folds, in small letters."""

_MOST_FOLDS = 100
_MOST_NAMES = 12  # that a description shows
_SHARE_DIGITS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Rows as a column divides them.

    `train`, `validation` and `test` are a hold-out with test rows; without `validation`, folds are cut at random among the
    training rows. All other values are folds, each of which is once the validation rows; `test` beside them marks the test
    rows, which are else cut by folds.

    Args:
        labels: `(rows,)`, positions in `names`.
        names: The values of the column, in the order of first occurrence.
        column: The column.
    """

    labels: Positions = field(repr=False)
    names: Sequence[str]
    column: str

    @property
    def description(self) -> str:
        """As of `Splitter`."""
        further = len(self.names) - _MOST_NAMES
        shown = ", ".join(sorted(self.names)[:_MOST_NAMES])
        return f"as column '{self.column}' says: {shown}{f' and {further} more' if further > 0 else ''}"

    @property
    def is_random(self) -> bool:
        """As of `Splitter`: the folds of the confirmation are drawn, whatever is given."""
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        """As of `Splitter`."""
        return ()

    def validation(self, fraction: float) -> KFold | HoldOut | None:
        """How trials are scored by this column, where it says so.

        Args:
            fraction: The share of test rows, where the column has none.
        """
        if self._fold_names:
            return KFold(method="k_fold", folds=self._searched_folds(fraction))
        if "validation" in self.names:
            held_out, train = int(self._is("validation").sum()), int(self._is("train").sum())
            share = round(held_out / (held_out + train), _SHARE_DIGITS)
            return HoldOut(method="hold_out", fraction=min(max(share, 0.001), 0.999))
        return None

    def _searched_folds(self, fraction: float) -> int:
        """How many folds the training rows have.

        Raises:
            DataError: They are too few to train on one and validate on another.
        """
        folds = len(self._fold_names)
        left = folds if "test" in self.names else folds - math.ceil(fraction * folds)
        if left < 2:
            taken = "" if "test" in self.names else f", of which test.fraction {fraction:g} takes {folds - left} for the test"
            raise DataError(
                f"column '{self.column}' has {count_noun(folds, 'fold')} ({', '.join(self._fold_names)}){taken}; at least two"
                f" are needed, one to train on and one to validate on; divide the rows into more",
                "split.column",
            )
        return left

    def check(self, experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
        """As of `Splitter`."""
        test, validation = experiment.test.fraction, experiment.validation
        if "test" in self.names and test != TestRows.model_fields["fraction"].default:
            marked = count_noun(int(self._is("test").sum()), "row")
            raise self._conflict(f"marks {marked} as test rows", f"test.fraction {test:g}", "test.fraction", where)
        given = self.validation(test)
        if isinstance(given, KFold) and not (isinstance(validation, KFold) and validation.folds == given.folds):
            has = f"validation.folds {validation.folds}" if isinstance(validation, KFold) else "validation.method hold_out"
            gives = f"gives {given.folds} folds of the rows that are used"
            raise self._conflict(gives, has, "validation.method and validation.folds", where)
        if isinstance(given, HoldOut) and isinstance(validation, KFold):
            raise self._conflict("gives a hold-out", "validation.method k_fold", "validation", where)

    def scored(self, experiment: Experiment) -> Experiment:
        """The experiment with the folds or the hold-out that the column gives, unless it asks for others itself.

        Raises:
            DataError: It asks for another share of validation rows.
        """
        given, asked = self.validation(experiment.test.fraction), experiment.validation
        is_written = "validation" in experiment.model_fields_set
        if given is None or (is_written and asked.method != given.method):
            return experiment  # what is not as the column says is named where the rows are divided
        if is_written and {"folds", "fraction"} & asked.model_fields_set:
            self._check_share(given, asked)
            return experiment
        seeds = asked.seeds if is_written else 1
        return experiment.model_copy(update={"validation": given.model_copy(update={"seeds": seeds})})

    def _check_share(self, given: KFold | HoldOut, asked: KFold | HoldOut) -> None:
        """Check that a hold-out has the share that an experiment asks for.

        Raises:
            DataError: It has another.
        """
        if not isinstance(given, HoldOut) or not isinstance(asked, HoldOut):
            return
        if abs(asked.fraction - given.fraction) > 10**-_SHARE_DIGITS:
            share, key = f"holds {given.fraction:.1%} of the training rows out", "validation.fraction"
            raise self._conflict(share, f"{key} {asked.fraction:g}", key, key)

    def _conflict(self, gives: str, has: str, keys: str, where: str) -> DataError:
        return DataError(
            f"column '{self.column}' (split.column) {gives}, but the experiment has {has}; leave {keys} out, or split.column",
            where,
        )

    def test_rows(self, rows: Positions, fraction: float, seed: int) -> Fold:
        """As of `Splitter`."""
        if "test" in self.names:
            is_test = self._is("test")[rows]
            return rows[~is_test], rows[is_test]
        return Group(self.labels, self.column).two_parts(rows, fraction, seed)

    def folds(self, validation: KFold | HoldOut, rows: Positions, seed: int) -> Sequence[Fold]:
        """As of `Splitter`."""
        held_out = [self._is(name)[rows] for name in self._fold_names or ["validation"] if name in self.names]
        folds = tuple((rows[~is_held_out], rows[is_held_out]) for is_held_out in held_out if is_held_out.any())
        return folds or Shuffle().folds(validation, rows, seed)

    def confirmation_folds(self, number: int, rows: Positions, seed: int, searched: Sequence[Fold]) -> Sequence[Fold]:
        """As of `Splitter`: given folds are joined, two or more to one, so that none is the search's where there are four.

        A given hold-out and training rows without folds are divided at random.
        """
        if self._fold_names:
            joined = min(number, len(searched) // 2)
            return Group(self.labels, self.column).k_fold(rows, max(joined, 2), seed)
        return Shuffle().confirmation_folds(number, rows, seed, searched)

    def halves(self, rows: int, seed: int) -> Sequence[Fold]:
        """As of `Splitter`.

        Raises:
            DataError: Always.
        """
        raise DataError(no_halves_reason(RowSplit(column=self.column)), "split.column")

    @property
    def _fold_names(self) -> list[str]:
        """The names of the folds, in their order: numbers by size, then texts."""
        folds = set(self.names).difference(_WORDS.values())
        return sorted(folds, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))

    def _is(self, name: str) -> np.ndarray:
        """`(rows,)`, whether a row has this value."""
        return np.asarray(self.labels == (list(self.names).index(name) if name in self.names else -1))


def check_parts_left(cells: pd.Series, used: pd.Series, column: str, where: str) -> None:
    """Check that no part has lost all its rows.

    Args:
        cells: The cells of the column, in all rows of the table.
        used: Those of the rows that are used.
        column: The column.
        where: The table, for messages.

    Raises:
        DataError: A part has.
    """
    parts = _parts(cells.dropna())
    left = set(_parts(used))
    for part in dict.fromkeys(_WORDS.values()):
        rows = int((parts == part).sum())
        if rows and part not in left:
            raise DataError(
                f"column '{column}' (split.column) marks {count_noun(rows, 'row')} as {part}, and none of them is used: they"
                f" lack values, or repeat other rows (table.invalid, targets.missing, table.duplicates); mark rows with values",
                where,
            )


def _parts(cells: pd.Series) -> pd.Series:
    """What the cells say, in whatever case: parts by their names here, and names of folds."""
    return cells.map(lambda cell: column_name(cell).strip()).map(lambda text: _WORDS.get(text.casefold(), text))


def as_given(cells: pd.Series, column: str, where: str) -> Given:
    """A splitter by what the cells say, in whatever case; `where` is the table for messages.

    Raises:
        DataError: The values leave a part without rows, or are neither parts nor folds.
    """
    labels, distinct = pd.factorize(_parts(cells))
    given = Given(labels.astype(np.intp), [str(name) for name in distinct], column)
    _check_names(given, where)
    return given


def _check_names(given: Given, where: str) -> None:
    """Check that the values are parts or folds.

    Raises:
        DataError: They are neither, or a part is missing.
    """
    names = set(given.names)
    folds = sorted(names.difference(_WORDS.values()))
    problem = ""
    if folds and names & {"train", "validation"}:
        both = sorted(names & {"train", "validation"})
        problem = f"has {', '.join(both)} beside other values ({', '.join(folds[:5])})"
    elif len(folds) > _MOST_FOLDS:
        problem = f"has {len(folds):,} values beside test, and there are {_MOST_FOLDS} folds at most"
    elif not folds and not {"train", "test"} <= names:
        absent = [word for word in ("train", "test") if word not in names]
        problem = f"has no row with {' and none with '.join(absent)}"
    if problem:
        raise DataError(
            f"column '{given.column}' (split.column) {problem}; expected train, test and, if the validation rows are given,"
            f" validation in every row; or the name of a fold, beside test where the test rows are given",
            where,
        )
