"""Divides the rows of a dataset: test rows, training rows, and folds among these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from branchsweep.config.config_model import MAX_SEED
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.split import SplitKind
from branchsweep.config.sections.validation import KFold
from branchsweep.data.cleaning import first_equal_rows
from branchsweep.data.columns import count_noun
from branchsweep.data.dataset import Dataset, Split, read_only
from branchsweep.data.digest import combined_digest, part_digests
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.data.splitters.stratify import by_classes
from branchsweep.errors import ConfigError, DataError
from branchsweep.types import Floats, Fold, Positions

_SEEDS_TRIED = 50  # for a split in which every target varies in every part
_MOST_ROWS_TRIED = 200_000  # beyond which that takes long

_MOST_CLASSES = 20  # different values of a target by which rows are divided in equal shares

_MORE_ROWS = "bring more rows, or choose fewer folds or another seed"

_REMEDIES: Mapping[SplitKind, str] = {
    "time": "choose another fraction, fewer folds or a smaller gap",
    "column": "give more rows the same value, or name another column (split.column)",
}
"""What helps where a part has too few rows, by how rows are divided."""


def split_rows(experiment: Experiment, dataset: Dataset) -> Split:
    """Test rows, training rows, and the folds among these.

    `Dataset.splitter` divides them. Where they are shuffled, the test rows are those of scikit-learn's
    `train_test_split(table, test_size=test.fraction, random_state=test.seed)`. The folds are those of its
    `KFold(shuffle=True)`, or of one more `train_test_split` for a hold-out, over the training rows, both seeded by the
    experiment's seed. The finalists' folds are a `KFold(shuffle=True)` of their own, seeded by one more than that (by 0 after
    the largest seed); where there are too few rows for so many, they are fewer.

    Raises:
        DataError: There are too few rows, they cannot be divided so, or a target has a single value in one of the parts.
        ConfigError: The experiment is an outer cross-validation, which has a split for each fold (`outer_splits`).
    """
    dataset.splitter.check(experiment, dataset.rows, dataset.location)
    parts = _parts(experiment, dataset)
    _check_parts(parts, dataset, _REMEDIES.get(experiment.split.kind, "choose another fraction or fewer folds"))
    remedy = _varying_split(experiment, dataset) if _constant_parts(dataset, parts.named | parts.learned) else ""
    check_targets(dataset, parts.must_vary(experiment), remedy)
    _check_known(dataset, parts.named, remedy)
    train, test, folds, confirmation = parts.train, parts.test, parts.folds, parts.confirmation
    return Split(
        train=read_only(train),
        test=read_only(test),
        folds=tuple((read_only(fold_train), read_only(fold_validation)) for fold_train, fold_validation in folds),
        digest=parts_digest(experiment, dataset, parts.searched),
        test_digest=parts_digest(experiment, dataset, {"test": test}),
        warnings=(
            *_leakage_warnings(dataset, train, test),
            *_constant_warnings(dataset, parts.named, remedy),
            *dataset.splitter.warnings,
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
    folds: tuple[Fold, ...]
    confirmation: tuple[Fold, ...]

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

    @property
    def learned(self) -> dict[str, Positions]:
        """The parts that networks and estimators learn from, by their names."""
        confirmation = {
            f"training (confirmation, fold {number})": rows for number, (rows, _) in enumerate(self.confirmation, start=1)
        }
        return {name: rows for name, rows in self.searched.items() if name.startswith("training")} | confirmation

    def must_vary(self, experiment: Experiment) -> dict[str, Positions]:
        """The parts in which every target must vary, by their names: where one value says nothing of a network.

        Those are all that is learned from, and a set of rows that alone gives a score: of a hold-out, and the test rows. One
        fold of several may have a single value, where the score is 0 for every network, as `metrics/scores.py` has it; so may
        all that is scored in an outer cross-validation, in which every row is tested once.
        """
        if experiment.test.folds is not None:
            return self.learned
        is_alone = ("test", "validation") if len(self.folds) == 1 else ("test",)
        alone = {name: rows for name, rows in self.searched.items() if name.startswith(is_alone)}
        return self.learned | alone


def _parts(experiment: Experiment, dataset: Dataset) -> _Parts:
    """The parts of a dataset; see `split_rows`."""
    splitter = dataset.splitter
    train, test = _train_and_test(experiment, dataset)
    folds = tuple(splitter.folds(experiment.validation, train, experiment.seed))
    again = (experiment.seed + 1) % (MAX_SEED + 1)
    return _Parts(train, test, folds, tuple(splitter.confirmation_folds(experiment.confirmation.folds, train, again, folds)))


def _check_parts(parts: _Parts, dataset: Dataset, remedy: str) -> None:
    """Check that every part has as many rows as a score needs: where rows are not divided by their number, that is known now.

    Args:
        parts: The parts.
        dataset: The rows.
        remedy: What helps beside more rows, for the message.

    Raises:
        DataError: A part has too few.
    """
    for part, rows in (parts.named | parts.learned).items():
        if len(rows) < FEWEST_ROWS:
            raise DataError(
                f"there {'is' if len(rows) == 1 else 'are'} {count_noun(len(rows), f'{part} row')}, and each part needs"
                f" {FEWEST_ROWS} or more: rows are divided {dataset.splitter.description}; bring more rows, or {remedy}",
                dataset.location,
            )


def _train_and_test(experiment: Experiment, dataset: Dataset) -> Fold:
    """The training rows and the test rows: those of one fold of an outer cross-validation, or of one division."""
    test, rows = experiment.test, np.arange(dataset.rows)
    if dataset.test_table is not None:
        return rows[: -dataset.test_table.rows], rows[-dataset.test_table.rows :]
    if test.folds is None:
        return dataset.splitter.test_rows(rows, test.fraction, test.seed)
    if test.fold is None:
        message = (
            f"an outer cross-validation is one sweep per fold, and this is for one sweep: give test.fold (1 to {test.folds})"
        )
        raise ConfigError(f"{message} beside it; branchsweep run and branchsweep.cross_validate run all of them", "test.folds")
    return dataset.splitter.folds(KFold(method="k_fold", folds=test.folds), rows, test.seed)[test.fold - 1]


def outer_splits(experiment: Experiment, dataset: Dataset) -> tuple[Split, ...]:
    """The split of every fold of an outer cross-validation, in order.

    The folds are those that `Dataset.splitter` cuts of all rows: where they are shuffled, of scikit-learn's
    `KFold(shuffle=True, random_state=test.seed)`; in the order of time, each after the rows that it trains on. Within the
    training rows of each, all is as in `split_rows`.

    Raises:
        DataError: As of `split_rows`.
    """
    folds = range(1, (experiment.test.folds or 0) + 1)
    return tuple(split_rows(experiment.for_outer_fold(number), dataset) for number in folds)


def _varying_split(experiment: Experiment, dataset: Dataset) -> str:
    """How rows are divided so that every target varies in every part, as a remedy for messages; empty if no way is found.

    Of a target that is too rare for every part: so that it varies where it must.
    """
    return _found_split(experiment, dataset, is_everywhere=True) or _found_split(experiment, dataset, is_everywhere=False)


def _found_split(experiment: Experiment, dataset: Dataset, *, is_everywhere: bool) -> str:
    """As of `_varying_split`, for every part, or else for those in which every target must vary."""
    shuffled = experiment.split.kind == "shuffle" and experiment.table.duplicates != "together"
    if shuffled and experiment.test.folds is None:
        for head, column in enumerate(experiment.columns.values()):
            values = pd.Series(dataset.y[:, head])
            if values.nunique() <= _MOST_CLASSES and _varies(
                experiment, replace(dataset, splitter=by_classes(values, column)), is_everywhere=is_everywhere
            ):
                return f"with split: {{stratify: {column}}} every part has its share of each value"
    is_tried = dataset.splitter.is_random and dataset.rows <= _MOST_ROWS_TRIED
    is_tried = is_tried and experiment.test.folds is None  # the targets would have to vary in all folds
    for seed in range(1, _SEEDS_TRIED + 1 if is_tried else 1):
        other = experiment.model_copy(update={"seed": seed, "test": experiment.test.model_copy(update={"seed": seed})})
        if _varies(other, dataset, is_everywhere=is_everywhere):
            where = "in all of them" if is_everywhere else "where it must"
            return f"with seed: {seed} and test.seed: {seed} it varies {where}"
    return ""


def _varies(experiment: Experiment, dataset: Dataset, *, is_everywhere: bool) -> bool:
    """Whether every target varies in every part that the experiment divides the rows into, or in those where it must."""
    try:
        parts = _parts(experiment, dataset)
    except DataError:  # classes with too few rows for so many folds
        return False
    return not _constant_parts(dataset, parts.named | parts.learned if is_everywhere else parts.must_vary(experiment))


def _constant_warnings(dataset: Dataset, parts: Mapping[str, Positions], remedy: str) -> list[str]:
    """A warning for each head whose target has a single value in some of the parts.

    Args:
        dataset: The rows.
        parts: Those that are scored, by name.
        remedy: What helps, where that is known.
    """
    by_head: dict[int, list[str]] = {}
    for part, head in _constant_parts(dataset, parts):
        by_head.setdefault(head, []).append(part)
    return [
        f"heads.{dataset.heads[head]}: the target has the same value in all {', '.join(names)} rows, where its score counts as"
        f" 0{remedy and f'; {remedy}'}"
        for head, names in by_head.items()
    ]


def _constant_parts(dataset: Dataset, parts: Mapping[str, Positions]) -> list[tuple[str, int]]:
    """The parts in which the known targets of a head do not vary, or are none, each with the position of the head."""
    if not dataset.actual.is_plain:
        heads = range(len(dataset.heads))
        return [(part, head) for part, rows in parts.items() for head in heads if _is_constant(_counted(dataset, rows, head))]
    return [
        (part, int(head)) for part, rows in parts.items() for head in np.flatnonzero(np.ptp(dataset.y[rows], axis=0) == 0.0)
    ]


def _is_constant(values: Floats) -> bool:
    return not len(values) or float(np.ptp(values)) == 0.0


def _counted(dataset: Dataset, rows: Positions, head: int) -> Floats:
    """The targets of a head that scores of these rows count: those that are known, and have a weight above 0."""
    actual = dataset.actual.rows(rows)
    counted: Floats = actual.values[actual.masks[:, head] > 0, head]
    return counted


def parts_digest(experiment: Experiment, dataset: Dataset, parts: Mapping[str, Positions]) -> str:
    """The digest of the contents of named parts of the rows."""
    values = np.concatenate([dataset.x, dataset.y], axis=1)
    names = [*dataset.inputs, *experiment.columns.values()]
    digests = part_digests(names, values, list(parts.values()))
    return combined_digest(f"{part} {digest}" for part, digest in zip(parts, digests, strict=True))


def check_targets(dataset: Dataset, parts: Mapping[str, Positions], remedy: str = "") -> None:
    """Check that every target varies in every part, as a score needs.

    Args:
        dataset: The rows.
        parts: Their parts by name.
        remedy: What helps, for the message, where that is known.

    Raises:
        DataError: A target has the same value in all rows of a part, or is known in fewer than two.
    """
    _check_known(dataset, parts, remedy)
    for part, head in _constant_parts(dataset, parts):
        counted = _counted(dataset, parts[part], head)
        values, counts = np.unique(_counted(dataset, np.arange(dataset.rows), head), return_counts=True)
        others = int(counts.sum() - counts.max())
        raise DataError(
            f"heads.{dataset.heads[head]}: the target has the same value in all {len(counted)} {part} rows: no score can"
            f" be computed. It is {values[counts.argmax()]:g} in all but {count_noun(others, 'row')} of the table;"
            f" {remedy or _MORE_ROWS}",
            dataset.location,
        )


def _check_known(dataset: Dataset, parts: Mapping[str, Positions], remedy: str) -> None:
    """Check that every target is known in as many rows of every part as a score needs.

    Args:
        dataset: The rows.
        parts: Their parts by name.
        remedy: What helps, for the message, where that is known.

    Raises:
        DataError: A target is known in fewer.
    """
    if dataset.actual.is_plain:
        return
    weighed = "" if dataset.weights is None else " with a weight above 0"
    for part, head in _constant_parts(dataset, parts):
        known = len(_counted(dataset, parts[part], head))
        if known < FEWEST_ROWS:
            in_all = len(_counted(dataset, np.arange(dataset.rows), head))
            raise DataError(
                f"heads.{dataset.heads[head]}: of the {len(parts[part])} {part} rows {known} have a known target{weighed}:"
                f" a score needs {FEWEST_ROWS}. In the table {in_all:,} of {dataset.rows:,} rows have one;"
                f" {remedy or _MORE_ROWS}",
                dataset.location,
            )


def _leakage_warnings(dataset: Dataset, train: Positions, test: Positions) -> tuple[str, ...]:
    """A warning where test rows are among the training rows too, because a model may have memorised them."""
    first = first_equal_rows(np.concatenate([dataset.x, dataset.y], axis=1))
    leaked = int(np.isin(first[test], first[train]).sum())
    if not leaked:
        return ()
    remedy = "table.duplicates: drop keeps every row once"
    if dataset.test_table is not None:
        remedy = f"remove them from {dataset.location} or from {dataset.test_table.location}"
    warning = (
        f"{leaked} of the {len(test):,} test rows also stand{'s' if leaked == 1 else ''} among the training rows, with the same"
        f" inputs and targets; {remedy}."
    )
    return (warning,)
