"""What the rows of each class count in the loss of networks and of estimators, as scikit-learn's `class_weight` says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.encoders.categories import UNKNOWN, category_codes
from branchsweep.errors import DataError, did_you_mean
from branchsweep.types import Floats

ClassWeight = Literal["balanced"] | tuple[float, ...] | None
"""Of one head: by the number of the class; None where rows of all classes count alike."""


def class_weights(experiment: Experiment, where: str) -> tuple[ClassWeight, ...]:
    """The class weights of each head; empty where no head has any.

    Args:
        experiment: Its heads have their classes.
        where: The table, for messages.

    Raises:
        DataError: A head has no classes, or not one that is named.
    """
    found = [class_weight(name, head.class_weight, head.classes or [], where) for name, head in experiment.heads.items()]
    return tuple(found) if any(own is not None for own in found) else ()


def class_weight(name: str, given: str | Mapping[str, float] | None, classes: Sequence[str], where: str) -> ClassWeight:
    """The class weights of one head, by the numbers of its classes.

    Args:
        name: The head.
        given: As the experiment has it.
        classes: By their numbers.
        where: As of `class_weights`.

    Raises:
        DataError: As of `class_weights`.
    """
    if given is None:
        return None
    if not classes:
        raise DataError(f"heads.{name}.class_weight: the head has no classes; write task: binary or multiclass, too", where)
    if isinstance(given, str):
        return "balanced"
    weights = np.ones(len(classes))
    for label, weight in given.items():
        code = float(category_codes([label], classes)[0])
        if not code > UNKNOWN:
            message = f"heads.{name}.class_weight: got '{label}', expected one of {', '.join(classes)}"
            raise DataError(f"{message}{did_you_mean(label, classes)}", where)
        weights[int(code)] = weight
    return tuple(weights.tolist())


def row_weights(weight: ClassWeight, targets: Floats) -> Floats:
    """What each row counts `(rows,)`, by its class.

    Args:
        weight: Of the head.
        targets: `(rows,)` numbers of classes of the rows to train on, NaN where one is not known: such a row counts 1.
    """
    known = ~np.isnan(targets)
    if weight is None or not known.any():
        return np.ones(len(targets))
    numbers = targets[known].astype(np.int64)
    if weight == "balanced":
        counts = np.bincount(numbers)
        by_class = len(numbers) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    else:
        by_class = np.array(weight)
    found = np.ones(len(targets))
    found[known] = by_class[numbers]
    return found
