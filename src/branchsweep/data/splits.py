"""Divides the rows of a dataset: training, validation and test rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from sklearn import model_selection

from branchsweep.config.experiment import Experiment
from branchsweep.config.validation import HoldOut, KFold
from branchsweep.data.dataset import Dataset, Floats, Positions, Split, count_rows, first_equal_rows, read_only
from branchsweep.data.digest import combined_digest, table_digest
from branchsweep.errors import DataError

SMALLEST_PART = 2
"""R² is not defined on fewer rows."""


def split_rows(experiment: Experiment, dataset: Dataset) -> Split:
    """Test rows, training rows, and the folds among these.

    The test rows are those of scikit-learn's `train_test_split(table, test_size=test.fraction, random_state=test.seed)`. The
    folds are those of its `KFold(shuffle=True)`, or of one more `train_test_split` for a hold-out, over the training rows,
    both seeded by the experiment's seed. The finalists' folds are a `KFold(shuffle=True)` of their own, seeded by one more than
    that; where there are too few rows for so many, they are fewer.

    Raises:
        DataError: There are too few rows, or a target has one value only in one of the parts.
    """
    check_sizes(experiment, dataset.rows, dataset.location)
    train, test = model_selection.train_test_split(
        np.arange(dataset.rows), test_size=experiment.test.fraction, random_state=experiment.test.seed
    )
    folds = tuple(make_folds(experiment.validation, train, experiment.seed))
    parts = {"test": test, "training": train}
    for number, (learning, validation) in enumerate(folds, start=1):
        parts |= {f"training (fold {number})": learning, f"validation (fold {number})": validation}
    fresh = KFold(method="k_fold", folds=max(2, min(experiment.confirmation.folds, len(train) // SMALLEST_PART)))
    confirmation = tuple(make_folds(fresh, train, experiment.seed + 1))
    finalists = {f"validation (confirmation, fold {number})": rows for number, (_, rows) in enumerate(confirmation, start=1)}
    check_targets(dataset, parts | finalists)
    return Split(
        train=read_only(train),
        test=read_only(test),
        folds=tuple((read_only(learning), read_only(validation)) for learning, validation in folds),
        digest=parts_digest(experiment, dataset, parts),
        test_digest=parts_digest(experiment, dataset, {"test": test}),
        warnings=_leaks(np.concatenate([dataset.x, dataset.y], axis=1), train, test),
        confirmation=tuple((read_only(learning), read_only(validation)) for learning, validation in confirmation),
    )


def parts_digest(experiment: Experiment, dataset: Dataset, parts: Mapping[str, Positions]) -> str:
    """The digest of the contents of named parts of the rows."""
    values = np.concatenate([dataset.x, dataset.y], axis=1)
    names = [*dataset.inputs, *experiment.columns.values()]
    return combined_digest(f"{part} {table_digest(names, values[rows])}" for part, rows in parts.items())


def make_folds(validation: KFold | HoldOut, train: Positions, seed: int) -> Iterable[tuple[Positions, Positions]]:
    """Some rows, cut into those to learn from and those to validate on, once or several times."""
    if isinstance(validation, HoldOut):
        learning, held_out = model_selection.train_test_split(train, test_size=validation.fraction, random_state=seed)
        yield learning, held_out
    else:
        k_fold = model_selection.KFold(n_splits=validation.folds, shuffle=True, random_state=seed)
        for learning, held_out in k_fold.split(train):
            yield train[learning], train[held_out]


def check_sizes(experiment: Experiment, rows: int, where: str) -> None:
    """Raises DataError unless every part has as many rows as R² needs."""
    test = math.ceil(experiment.test.fraction * rows)
    train = rows - test
    validation = experiment.validation
    if isinstance(validation, HoldOut):
        held_out = math.ceil(validation.fraction * train)
        learning, means = train - held_out, f"validation.fraction {validation.fraction:g}"
    else:
        held_out = train // validation.folds
        learning, means = train - math.ceil(train / validation.folds), f"validation.folds {validation.folds}"
    if min(test, held_out, learning) < SMALLEST_PART:
        asked = f"test.fraction {experiment.test.fraction:g} and {means}"
        parts = f"{test} test, {max(held_out, 0)} validation and {max(learning, 0)} training rows"
        raise DataError(
            f"{count_rows(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {asked} make {parts}, and each part needs"
            f" {SMALLEST_PART} or more; bring more rows, or choose other fractions or fewer folds",
            where,
        )


def check_targets(dataset: Dataset, parts: Mapping[str, Positions]) -> None:
    """Raises DataError where R² is not defined: a target that has one value in all rows of a part."""
    for part, rows in parts.items():
        for head in np.flatnonzero(np.ptp(dataset.y[rows], axis=0) == 0.0):
            raise DataError(
                f"heads.{dataset.heads[head]}: the target has the same value in all {len(rows)} {part} rows: there is no R² of"
                f" that; bring more rows, or choose fewer folds or another seed",
                dataset.location,
            )


def _leaks(values: Floats, train: Positions, test: Positions) -> tuple[str, ...]:
    """A warning where test rows stand among the training rows too, for a model may know them by heart."""
    first = first_equal_rows(values)
    known = int(np.isin(first[test], first[train]).sum())
    if not known:
        return ()
    warning = (
        f"{known} of the {len(test):,} test rows also stand{'s' if known == 1 else ''} among the training rows, with the same"
        f" inputs and targets; table.duplicates: drop keeps every row once."
    )
    return (warning,)
