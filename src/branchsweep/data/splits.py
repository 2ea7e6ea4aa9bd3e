"""Divides the rows of a dataset: training, validation and test rows, and the halves of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from sklearn import model_selection

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.config.experiment import Experiment
from branchsweep.config.table import POWER_PLANT_TABLE
from branchsweep.config.validation import HoldOut, KFold
from branchsweep.data import power_plant
from branchsweep.data.dataset import Dataset, Floats, Halves, Positions, Split
from branchsweep.data.digest import combined_digest, table_digest
from branchsweep.data.loading import _ccpp_names, _columns, _first_alike, _published, _read_only, _values
from branchsweep.data.tables import _first_sheets
from branchsweep.errors import DataError

SMALLEST_PART = 2
"""R² is not defined on fewer rows."""


def count_rows(number: int, noun: str) -> str:
    """The number with its noun, plural where it should be."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
        train=_read_only(train),
        test=_read_only(test),
        folds=tuple((_read_only(learning), _read_only(validation)) for learning, validation in folds),
        digest=_digest_of(experiment, dataset, parts),
        test_digest=_digest_of(experiment, dataset, {"test": test}),
        warnings=_leaks(np.concatenate([dataset.x, dataset.y], axis=1), train, test),
        confirmation=tuple((_read_only(learning), _read_only(validation)) for learning, validation in confirmation),
    )


def _digest_of(experiment: Experiment, dataset: Dataset, parts: Mapping[str, Positions]) -> str:
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
    first = _first_alike(values)
    known = int(np.isin(first[test], first[train]).sum())
    if not known:
        return ()
    warning = (
        f"{known} of the {len(test):,} test rows also stand{'s' if known == 1 else ''} among the training rows, with the same"
        f" inputs and targets; table.duplicates: drop keeps every row once."
    )
    return (warning,)


def split_halves(experiment: Experiment, dataset: Dataset, data: Path | None, seed: int) -> Halves:
    """All rows divided into two halves, five times over, for 5x2 cross-validation.

    The power-plant table comes as a workbook of five sheets, which hold the same rows in five orders: its authors' shuffles for
    this very protocol. Their halves are taken, the first half of a sheet being half A. All other tables are shuffled here.

    Args:
        experiment: Whose table and policies.
        dataset: Its rows.
        data: A file to look for the sheets in, instead of the one that the rows were read from.
        seed: Of the shuffles; the authors' halves do not depend on it.

    Raises:
        DataError: A target has one value only in one of the halves.
    """
    orders = _of_sheets(experiment, dataset, data or dataset.path)
    origin = "the file's own five sheets"
    if not orders:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(dataset.rows) for _ in range(N_REPETITIONS)]
        origin = f"five shuffles seeded by {seed}"
    middle = dataset.rows // 2
    pairs = tuple((_read_only(order[:middle].copy()), _read_only(order[middle:].copy())) for order in orders)
    parts = {
        f"half {letter} (repetition {number})": rows
        for number, pair in enumerate(pairs, start=1)
        for letter, rows in zip("AB", pair, strict=True)
    }
    check_targets(dataset, parts)
    return Halves(pairs, origin, _digest_of(experiment, dataset, parts))


def _of_sheets(experiment: Experiment, dataset: Dataset, path: Path | None) -> list[Positions]:
    """The order that each of the power-plant table's five sheets has the rows in.

    Nothing unless all hold these very rows, each in an order of its own.
    """
    if experiment.table.source != POWER_PLANT_TABLE or path is None or path.suffix.lower() != ".xlsx":
        return []
    columns = [*experiment.table.inputs, *experiment.columns.values()]
    orders = []
    try:
        for sheet in _first_sheets(path, N_REPETITIONS):
            frame = _ccpp_names(sheet)
            if not power_plant.table_difference(_columns(frame)):
                frame = _published(frame)
            values, _ = _values(experiment, frame, str(path))
            if table_digest(columns, values) != dataset.digest:
                return []
            orders.append(_positions(values, np.concatenate([dataset.x, dataset.y], axis=1)))
    except DataError:  # whatever else is in the workbook is no shuffle of the rows
        return []
    return orders if len({order.tobytes() for order in orders}) == len(orders) else []


def _positions(values: Floats, among: Floats) -> Positions:
    """`(rows,)` for each row the position of the same row among others; the first of equal rows is the first of its equals.

    Args:
        values: `(rows, columns)`.
        among: The same rows in another order.
    """
    positions = np.empty(len(values), dtype=np.intp)
    positions[np.lexsort(values.T[::-1])] = np.lexsort(among.T[::-1])
    return positions
