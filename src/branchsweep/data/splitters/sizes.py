"""Whether a table has enough rows for the test rows and folds of a random split."""

from __future__ import annotations

import math

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import HoldOut
from branchsweep.data.columns import count_noun
from branchsweep.data.splitters.splitter import FEWEST_ROWS
from branchsweep.errors import DataError


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
    test, train = experiment.test.smallest_parts(rows)
    validation = experiment.validation
    if isinstance(validation, HoldOut):
        held_out = math.ceil(validation.fraction * train)
        fold_train, method = train - held_out, f"validation.fraction {validation.fraction:g}"
    else:
        held_out = train // validation.folds
        fold_train, method = train - math.ceil(train / validation.folds), f"validation.folds {validation.folds}"
    if min(test, held_out, fold_train) < FEWEST_ROWS:
        settings = f"{experiment.test.setting} and {method}"
        parts = f"{test} test, {max(held_out, 0)} validation and {max(fold_train, 0)} training rows"
        raise DataError(
            f"{count_noun(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {settings} make {parts}, and each part needs"
            f" {FEWEST_ROWS} or more; bring more rows, or choose other fractions or fewer folds"
            f"{f'. {reason}' if reason else ''}",
            where,
        )
