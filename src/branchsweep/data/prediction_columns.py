"""Puts predictions beside the columns of a table, under names that say what each column is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from branchsweep.data.columns import MOST_EXAMPLES, count_noun, to_numbers
from branchsweep.data.encoders.categories import category_label

ACTUAL_COLUMN = "{head}_actual"
"""The column of a head's actual values beside its predictions."""


def with_predictions(
    table: pd.DataFrame, predicted: pd.DataFrame, targets: Mapping[str, str], further: Iterable[str] = ()
) -> tuple[pd.DataFrame, dict[str, str]]:
    """A table with its columns, and one column per head.

    A head's actual values are those of its target column, and of no other. Where that column has the head's own name, it
    becomes `<head>_actual` and the prediction has the name. A column of the head's name that is anything else (an input,
    an earlier prediction) keeps it, and so does one for which `<head>_actual` is taken: the prediction is `<head>_predicted`
    then, with a number where that is taken, too.

    Args:
        table: The table, whose columns have names of their own.
        predicted: One column per head and for each of `further`, with the table's index.
        targets: The target column by head; the head's name where it is absent.
        further: Columns of `predicted` that are no heads'.

    Returns:
        The table with the predictions behind its columns, and by column of `predicted` its name there.
    """
    renamed: dict[str, str] = {}
    names: dict[str, str] = {}
    others = set(further)
    for head in predicted.columns:
        taken = {*(renamed.get(name, name) for name in table.columns), *names.values(), *predicted.columns}
        actual = ACTUAL_COLUMN.format(head=head)
        if head not in table.columns:
            names[head] = head
        elif head not in others and _is_actual(table, predicted, head, targets) and actual not in taken:
            names[head], renamed[head] = head, actual
        else:
            names[head] = _free_name(f"{head}_predicted" if head not in others else f"{head}_2", taken)
    columns = {names[head]: predicted[head] for head in predicted.columns}
    return table.rename(columns=renamed).assign(**columns), names


def without_prediction(predicted: pd.DataFrame, further: Iterable[str] = ()) -> str:
    """How many rows have no finite prediction of a head, as a sentence; empty if all have one.

    Args:
        predicted: As of `with_predictions`.
        further: Likewise.
    """
    heads = predicted.drop(columns=list(further)).select_dtypes("float")  # a class is missing where its probability is
    is_missing = ~np.isfinite(heads.to_numpy(dtype=np.float64))
    rows = is_missing.any(axis=1)
    if not rows.any():
        return ""
    names = ", ".join(str(name) for name in heads.columns[is_missing.any(axis=0)][:MOST_EXAMPLES])
    more = ", …" if is_missing.any(axis=0).sum() > MOST_EXAMPLES else ""
    return (
        f"{rows.sum():,} of {count_noun(len(rows), 'row')} have no finite prediction of {names}{more} (the first is row"
        f" {predicted.index[rows][0]}); are their inputs in the units of the training rows?"
    )


def _is_actual(table: pd.DataFrame, predicted: pd.DataFrame, head: str, targets: Mapping[str, str]) -> bool:
    """Whether the column of a head's name has its actual values: it is the target column, and not this model's prediction."""
    if targets.get(head, head) != head:
        return False
    if probabilities := [name for name in predicted.columns if str(name).startswith(f"{head}_probability")]:
        # An earlier prediction has probabilities beside it; without them, a model that is right in all rows predicts the same.
        if not set(probabilities) & set(table.columns):
            return True
        return [category_label(cell) for cell in table[head]] != [category_label(cell) for cell in predicted[head]]
    values, predictions = to_numbers(table[[head]])[:, 0], predicted[head].to_numpy(dtype=np.float64)
    return not np.allclose(values, predictions, rtol=1e-5, atol=0.0, equal_nan=True)


def _free_name(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    used, stem, number = set(taken), name.removesuffix("_2"), 2
    while name in used:
        name, number = f"{stem}_{number}", number + 1
    return name
