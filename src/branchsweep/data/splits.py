"""Divides the rows of a dataset: test rows, training rows, and folds among these."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn import model_selection

from branchsweep.config.config_model import MAX_SEED
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.data.cleaning import first_equal_rows
from branchsweep.data.columns import count_noun
from branchsweep.data.dataset import Dataset, Positions, Split, read_only
from branchsweep.data.digest import combined_digest, table_digest
from branchsweep.errors import DataError
from branchsweep.types import Floats

_SEEDS_TRIED = 50  # for a split in which every target varies in every part
_MOST_ROWS_TRIED = 200_000  # beyond which that takes long

FEWEST_ROWS = 2
"""Rows of a part, at least: a score such as R² is not defined on fewer."""


def split_rows(experiment: Experiment, dataset: Dataset) -> Split:
    """Test rows, training rows, and the folds among these.

    Rows of one group (`Dataset.groups`) are on one side of every split: then `GroupShuffleSplit` and `GroupKFold(shuffle=True)`
    take the place of `train_test_split` and `KFold`, and the fractions are of the groups.

    The test rows are those of scikit-learn's `train_test_split(table, test_size=test.fraction, random_state=test.seed)`. The
    folds are those of its `KFold(shuffle=True)`, or of one more `train_test_split` for a hold-out, over the training rows,
    both seeded by the experiment's seed. The finalists' folds are a `KFold(shuffle=True)` of their own, seeded by one more than
    that (by 0 after the largest seed); where there are too few rows for so many, they are fewer.

    Raises:
        DataError: There are too few rows, or a target has a single value in one of the parts.
    """
    check_sizes(experiment, dataset.rows, dataset.location)
    _check_groups(experiment, dataset)
    parts = _parts(experiment, dataset)
    if _constant_parts(dataset, parts.named):
        check_targets(dataset, parts.named, _varying_split(experiment, dataset))
    train, test, folds, confirmation = parts.train, parts.test, parts.folds, parts.confirmation
    return Split(
        train=read_only(train),
        test=read_only(test),
        folds=tuple((read_only(fold_train), read_only(fold_validation)) for fold_train, fold_validation in folds),
        digest=parts_digest(experiment, dataset, parts.searched),
        test_digest=parts_digest(experiment, dataset, {"test": test}),
        warnings=(
            *_leakage_warnings(np.concatenate([dataset.x, dataset.y], axis=1), train, test),
            *_group_size_warnings(experiment, dataset),
        ),
        confirmation=tuple((read_only(fold_train), read_only(fold_validation)) for fold_train, fold_validation in confirmation),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a table, as positions of its rows.

    Args:
        train: As of `Split`.
        test: As of `Split`.
        folds: As of `Split`.
        confirmation: As of `Split`.
    """

    train: Positions
    test: Positions
    folds: tuple[tuple[Positions, Positions], ...]
    confirmation: tuple[tuple[Positions, Positions], ...]

    @property
    def searched(self) -> dict[str, Positions]:
        """The parts that the search has, by the names that messages and digests give them."""
        parts = {"test": self.test, "training": self.train}
        for number, (fold_train, fold_validation) in enumerate(self.folds, start=1):
            parts |= {f"training (fold {number})": fold_train, f"validation (fold {number})": fold_validation}
        return parts

    @property
    def named(self) -> dict[str, Positions]:
        """All parts in which a score is computed, by their names."""
        confirmation = {
            f"validation (confirmation, fold {number})": rows for number, (_, rows) in enumerate(self.confirmation, start=1)
        }
        return self.searched | confirmation


def _parts(experiment: Experiment, dataset: Dataset) -> _Parts:
    """The parts of a dataset; see `split_rows`."""
    groups = dataset.groups
    train, test = _two_parts(np.arange(dataset.rows), experiment.test.fraction, experiment.test.seed, groups)
    most_folds = len(train) // FEWEST_ROWS if groups is None else len(np.unique(groups[train]))
    confirmation_folds = max(2, min(experiment.confirmation.folds, most_folds))
    again = KFold(method="k_fold", folds=confirmation_folds)
    confirmation = make_folds(again, train, (experiment.seed + 1) % (MAX_SEED + 1), groups)
    return _Parts(train, test, tuple(make_folds(experiment.validation, train, experiment.seed, groups)), tuple(confirmation))


def _two_parts(rows: Positions, fraction: float, seed: int, groups: Positions | None) -> tuple[Positions, Positions]:
    """Rows divided at random into a part and a smaller one that has this share of them, or of the groups."""
    if groups is None:
        larger, smaller = model_selection.train_test_split(rows, test_size=fraction, random_state=seed)
        return larger, smaller
    divided = model_selection.GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    ((first, second),) = divided.split(rows, groups=groups[rows])
    return rows[first], rows[second]


def _varying_split(experiment: Experiment, dataset: Dataset) -> str:
    """The seeds with which every target varies in every part, as a remedy for messages; empty if none of the first does."""
    for seed in range(1, _SEEDS_TRIED + 1 if dataset.rows <= _MOST_ROWS_TRIED else 1):
        other = experiment.model_copy(update={"seed": seed, "test": experiment.test.model_copy(update={"seed": seed})})
        if not _constant_parts(dataset, _parts(other, dataset).named):
            return f"with seed: {seed} and test.seed: {seed} it varies in all of them"
    return ""


def _constant_parts(dataset: Dataset, parts: Mapping[str, Positions]) -> list[tuple[str, int]]:
    """The parts in which a target has a single value, each with the position of the head."""
    return [
        (part, int(head)) for part, rows in parts.items() for head in np.flatnonzero(np.ptp(dataset.y[rows], axis=0) == 0.0)
    ]


def make_folds(
    validation: KFold | HoldOut, rows: Positions, seed: int, groups: Positions | None = None
) -> Iterable[tuple[Positions, Positions]]:
    """Rows divided into those to train on and those to validate on, once for a hold-out, `folds` times for a k-fold.

    Args:
        validation: The method.
        rows: `(rows,)`, the positions to divide.
        seed: Of the shuffle.
        groups: As of `Dataset`.
    """
    if isinstance(validation, HoldOut):
        yield _two_parts(rows, validation.fraction, seed, groups)
    elif groups is not None:
        group_k_fold = model_selection.GroupKFold(n_splits=validation.folds, shuffle=True, random_state=seed)
        for train, held_out in group_k_fold.split(rows, groups=groups[rows]):
            yield rows[train], rows[held_out]
    else:
        k_fold = model_selection.KFold(n_splits=validation.folds, shuffle=True, random_state=seed)
        for train, held_out in k_fold.split(rows):
            yield rows[train], rows[held_out]


def parts_digest(experiment: Experiment, dataset: Dataset, parts: Mapping[str, Positions]) -> str:
    """The digest of the contents of named parts of the rows."""
    values = np.concatenate([dataset.x, dataset.y], axis=1)
    names = [*dataset.inputs, *experiment.columns.values()]
    return combined_digest(f"{part} {table_digest(names, values[rows])}" for part, rows in parts.items())


def check_sizes(experiment: Experiment, rows: int, where: str, reason: str = "") -> None:
    """Check that every part has as many rows as a score needs.

    Args:
        experiment: Gives the fractions and folds.
        rows: The number of rows in all.
        where: The table, for the message.
        reason: Why there are no more, as a sentence for the message.

    Raises:
        DataError: A part has too few.
    """
    test = math.ceil(experiment.test.fraction * rows)
    train = rows - test
    validation = experiment.validation
    if isinstance(validation, HoldOut):
        held_out = math.ceil(validation.fraction * train)
        fold_train, method = train - held_out, f"validation.fraction {validation.fraction:g}"
    else:
        held_out = train // validation.folds
        fold_train, method = train - math.ceil(train / validation.folds), f"validation.folds {validation.folds}"
    if min(test, held_out, fold_train) < FEWEST_ROWS:
        settings = f"test.fraction {experiment.test.fraction:g} and {method}"
        parts = f"{test} test, {max(held_out, 0)} validation and {max(fold_train, 0)} training rows"
        raise DataError(
            f"{count_noun(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {settings} make {parts}, and each part needs"
            f" {FEWEST_ROWS} or more; bring more rows, or choose other fractions or fewer folds"
            f"{f'. {reason}' if reason else ''}",
            where,
        )


def _check_groups(experiment: Experiment, dataset: Dataset) -> None:
    """Check that there are enough groups for every part.

    Raises:
        DataError: There are too few.
    """
    if dataset.groups is None:
        return
    validation = experiment.validation
    groups = dataset.group_count
    train = groups - math.ceil(experiment.test.fraction * groups)
    folds = validation.folds if isinstance(validation, KFold) else 2
    if train < max(folds, 2):
        column = experiment.split.group
        what = f"column '{column}' (split.group) has {count_noun(groups, 'group')}" if column else f"{groups} different rows"
        raise DataError(
            f"{what}: with test.fraction {experiment.test.fraction:g} {groups - max(train, 0)} of them go to the test rows and"
            f" {max(train, 0)} to the training rows, which need at least {max(folds, 2)} for {folds} folds; choose fewer folds"
            f" or a smaller fraction, or group by another column",
            dataset.location,
        )


def check_targets(dataset: Dataset, parts: Mapping[str, Positions], remedy: str = "") -> None:
    """Check that every target varies in every part, as a score needs.

    Args:
        dataset: The rows.
        parts: Their parts by name.
        remedy: What helps, for the message, where that is known.

    Raises:
        DataError: A target has the same value in all rows of a part.
    """
    for part, head in _constant_parts(dataset, parts):
        values, counts = np.unique(dataset.y[:, head], return_counts=True)
        others = dataset.rows - int(counts.max())
        raise DataError(
            f"heads.{dataset.heads[head]}: the target has the same value in all {len(parts[part])} {part} rows: no score can"
            f" be computed. It is {values[counts.argmax()]:g} in all but {count_noun(others, 'row')} of the table;"
            f" {remedy or 'bring more rows, or choose fewer folds or another seed'}",
            dataset.location,
        )


def _group_size_warnings(experiment: Experiment, dataset: Dataset) -> tuple[str, ...]:
    """A warning where every group is a single row."""
    if experiment.split.group is None or dataset.group_count < dataset.rows:
        return ()
    warning = (
        f"Column '{experiment.split.group}' (split.group) has another value in every row, so rows are divided one by one; name"
        f" a column whose values repeat."
    )
    return (warning,)


def _leakage_warnings(values: Floats, train: Positions, test: Positions) -> tuple[str, ...]:
    """A warning where test rows are among the training rows too, because a model may have memorised them."""
    first = first_equal_rows(values)
    leaked = int(np.isin(first[test], first[train]).sum())
    if not leaked:
        return ()
    warning = (
        f"{leaked} of the {len(test):,} test rows also stand{'s' if leaked == 1 else ''} among the training rows, with the same"
        f" inputs and targets; table.duplicates: drop keeps every row once."
    )
    return (warning,)
