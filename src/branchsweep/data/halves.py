"""Divides all rows into two halves, five times over, for the comparison by 5x2 cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.config.experiment import Experiment
from branchsweep.config.table import POWER_PLANT_TABLE
from branchsweep.data import power_plant
from branchsweep.data.dataset import Dataset, Floats, Halves, Positions, read_only
from branchsweep.data.digest import table_digest
from branchsweep.data.loading import _ccpp_names, _columns, _published, _values
from branchsweep.data.splits import check_targets, parts_digest
from branchsweep.data.tables import _first_sheets
from branchsweep.errors import DataError


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
    pairs = tuple((read_only(order[:middle].copy()), read_only(order[middle:].copy())) for order in orders)
    parts = {
        f"half {letter} (repetition {number})": rows
        for number, pair in enumerate(pairs, start=1)
        for letter, rows in zip("AB", pair, strict=True)
    }
    check_targets(dataset, parts)
    return Halves(pairs, origin, parts_digest(experiment, dataset, parts))


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
