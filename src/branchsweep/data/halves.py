"""Divides all rows into two halves, five times, for the comparison by 5x2 cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.table import POWER_PLANT_TABLE
from branchsweep.data import power_plant
from branchsweep.data.cleaning import clean_rows
from branchsweep.data.dataset import Dataset, Halves, HalvesSource, read_only
from branchsweep.data.digest import table_digest
from branchsweep.data.splits import check_targets, parts_digest
from branchsweep.data.tables import read_first_sheets
from branchsweep.errors import DataError
from branchsweep.types import Floats, Positions


def split_halves(experiment: Experiment, dataset: Dataset, data: Path | None, seed: int) -> Halves:
    """All rows divided into two halves, five times, for 5x2 cross-validation.

    The power-plant table comes as a workbook of five sheets, which hold the same rows in five orders: its authors' shuffles for
    this very protocol. Their halves are taken, the first half of a sheet being half A. All other tables are shuffled
    here, by `Dataset.splitter`: rows of one group are in one half, and the smaller half may be either.

    Args:
        experiment: Gives the table and its policies.
        dataset: The table's rows.
        data: A file to look for the sheets in, instead of the one that the rows were read from.
        seed: Of the shuffles; the authors' halves do not depend on it.

    Raises:
        DataError: A target has a single value in one of the halves, or rows that are divided as the experiment says have none.
    """
    orders = _sheet_orders(experiment, dataset, data or dataset.path)
    source: HalvesSource = "sheets" if orders else "shuffles"
    middle = dataset.rows // 2
    halves = [(order[:middle], order[middle:]) for order in orders] or dataset.splitter.halves(dataset.rows, seed)
    pairs = tuple((read_only(first.copy()), read_only(second.copy())) for first, second in halves)
    parts = {
        f"half {letter} (repetition {number})": rows
        for number, pair in enumerate(pairs, start=1)
        for letter, rows in zip("AB", pair, strict=True)
    }
    check_targets(dataset, parts)
    digest = parts_digest(experiment, dataset, parts)
    return Halves(pairs, source, digest, seed if source == "shuffles" else None)


def _sheet_orders(experiment: Experiment, dataset: Dataset, path: Path | None) -> list[Positions]:
    """The order that each of the power-plant table's five sheets has the rows in.

    Empty unless all sheets have exactly these rows, each in an order of its own, and rows are divided one by one.
    """
    are_shuffles = experiment.split.kind == "shuffle" and experiment.table.duplicates != "together"
    if not are_shuffles or experiment.table.source != POWER_PLANT_TABLE or path is None or path.suffix.lower() != ".xlsx":
        return []
    columns = [*experiment.table.inputs, *experiment.columns.values()]
    orders = []
    try:
        for sheet in read_first_sheets(path, N_REPETITIONS):
            frame = power_plant.with_published_names(sheet)
            if not power_plant.frame_difference(frame):
                frame = power_plant.with_published_decimals(frame)
            values = clean_rows(experiment, frame, str(path)).values
            if table_digest(columns, values) != dataset.digest:
                return []
            orders.append(_positions_in(values, np.concatenate([dataset.x, dataset.y], axis=1)))
    except DataError:  # a workbook with anything else in it has no shuffles of the rows
        return []
    return orders if len({order.tobytes() for order in orders}) == len(orders) else []


def _positions_in(values: Floats, reference: Floats) -> Positions:
    """For each row its position in a table with the same rows; the first of equal rows has the position of the first of them.

    Args:
        values: `(rows, columns)`.
        reference: `(rows, columns)`, the same rows in another order.

    Returns:
        `(rows,)`.
    """
    positions = np.empty(len(values), dtype=np.intp)
    positions[np.lexsort(values.T[::-1])] = np.lexsort(reference.T[::-1])
    return positions
