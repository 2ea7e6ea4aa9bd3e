"""The relative RMSE, by which results on multi-target regression tables are published.

Of one head on one set of test rows it is sqrt( sum (y - prediction)^2 / sum (y - mean of y in the training rows)^2 ): 1 for a
model that predicts the mean of its training rows everywhere, 0 for a perfect one. It is averaged over the folds of an outer
cross-validation; its mean over the heads is called aRRMSE (Spyromitros-Xioufis et al. 2016, "Multi-target regression via input
space expansion", section 5). It has no unit, and lower is better.
"""

from __future__ import annotations

import math

import numpy as np

from branchsweep.metrics.actual import Actual
from branchsweep.types import Floats

RRMSE = "rrmse"
"""Its name in stores and tables: `rrmse/PE`, and `rrmse/mean`, the aRRMSE."""


def relative_rmse(test: Actual, training: Actual, head: int, rmse: float) -> float:
    """The relative RMSE of a head, over the known values and with their weights, as its RMSE.

    Args:
        test: The targets of the test rows.
        training: Those of the rows that the model was trained on.
        head: The position of the head.
        rmse: Of the predictions for the test rows, in natural units.

    Returns:
        Infinite where every test row has the mean of the training rows, and is predicted otherwise.
    """
    mean = _mean(*training.head(head))
    values, *weights = test.head(head)
    of_mean = math.sqrt(_mean(np.square(values - mean), *weights))
    if of_mean > 0:
        return rmse / of_mean
    return math.inf if rmse > 0 else math.nan


def _mean(values: Floats, weights: Floats | None = None) -> float:
    return float(np.average(values, weights=weights))
