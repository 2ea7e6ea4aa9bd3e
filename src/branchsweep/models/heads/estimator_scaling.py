"""Estimators of scikit-learn whose results do not depend on the units of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np


def standardized(estimator: Any) -> Any:
    """The estimator on inputs and targets of mean 0 and standard deviation 1, so that their units decide nothing.

    A tree of scikit-learn's takes a column as constant whose values differ by less than 1e-7, and a node as pure whose variance
    is below 2e-16; neighbors are the nearest in whatever has the largest numbers. Values are rounded to 32 bits: another unit
    changes the last of 64, and by that which of two equal splits is taken, or which of two neighbors at the same distance.
    """
    from sklearn.compose import TransformedTargetRegressor  # noqa: PLC0415  # a kind imports no heavy library
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), *_rounding(), estimator),
        transformer=make_pipeline(StandardScaler(), *_rounding()),
        check_inverse=False,  # it would warn that rounding cannot be undone
    )


def with_standardized_inputs(estimator: Any) -> Any:
    """The estimator on inputs of mean 0 and standard deviation 1, where targets have no unit: classes and counts."""
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  # as above
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    return make_pipeline(StandardScaler(), *_rounding(), estimator)


def _rounding() -> list[Any]:
    """Steps that round values to 32 bits. They are NumPy's, so that a fitted estimator is read where this package is not."""
    from sklearn.preprocessing import FunctionTransformer  # noqa: PLC0415  # as above

    return [FunctionTransformer(np.asarray, kw_args={"dtype": name}) for name in ("float32", "float64")]
