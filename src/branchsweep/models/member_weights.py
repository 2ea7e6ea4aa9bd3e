"""Weights of a mean that minimise the loss of its predictions: none negative, their sum 1.

Errors are those of each member of the mean, prediction minus target. Since the weights add up to 1, the error of the mean is
the mean of the errors, and another zero of the target changes no weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from branchsweep.types import Floats


def squared_error_weights(errors: Floats, weights: Floats | None = None) -> Floats:
    """The weights of the members that minimise the squared error of their mean.

    Args:
        errors: `(members, units, rows)`; the squares of a row's units are added.
        weights: `(rows,)`, how much each row counts; None where all count alike.

    Returns:
        `(members,)`.
    """
    by_row = _by_row(errors)
    if weights is not None:
        by_row = by_row * np.sqrt(np.tile(weights, errors.shape[1]))[:, None]
    return simplex_weights(by_row)


def simplex_weights(errors: Floats) -> Floats:
    """The weights that minimise the squared error of a weighted mean.

    With non-negative u = t w, where the weights w add up to 1, the squares `|errors u|² + (sum(u) - 1)²` are
    `t² |errors w|² + (t - 1)²`. Whatever w is, the best t leaves `q / (1 + q)` of them, where `q = |errors w|²`: the less, the
    smaller q is. So the weights are non-negative least squares with one more row, over their sum.

    Args:
        errors: `(rows, members)`.

    Returns:
        `(members,)`.
    """
    size = np.sqrt((errors**2).sum() / errors.shape[1])  # the added row counts about as much as all others
    if not size > 0:
        return _equal_weights(errors)
    rows = np.vstack([errors / size, np.ones(errors.shape[1])])
    from scipy.optimize import nnls  # noqa: PLC0415  # takes half a second, and most sweeps need none before their end

    solution, _ = nnls(rows, np.append(np.zeros(len(errors)), 1.0))
    weights: Floats = solution / solution.sum()
    return weights


def pinball_weights(errors: Floats, levels: Sequence[float], weights: Floats | None = None) -> Floats:
    """The weights of the members that minimise the pinball loss of their mean, added over its levels.

    It is a linear programme (Koenker and Bassett 1978), whose dual has few constraints: with d between level - 1 and level for
    each error, `errors' d + s <= 0` for each member, where s is to be as large as possible. The weights are the multipliers of
    these constraints.

    Args:
        errors: `(members, levels, rows)`.
        levels: Of the quantiles that are predicted.
        weights: As of `squared_error_weights`.

    Returns:
        `(members,)`.
    """
    by_row = _by_row(errors)
    size = np.abs(by_row).mean()
    if not size > 0:
        return _equal_weights(by_row)
    from scipy.optimize import linprog  # noqa: PLC0415  # as above

    members, rows = by_row.shape[1], errors.shape[2]
    counted = np.tile(np.ones(rows) if weights is None else weights / weights.mean(), len(levels))
    of_rows = np.repeat(levels, rows)
    bounds = [*zip(counted * (of_rows - 1.0), counted * of_rows, strict=True), (None, None)]
    found = linprog(
        np.append(np.zeros(len(by_row)), -1.0),
        A_ub=np.column_stack([by_row.T / size, np.ones(members)]),
        b_ub=np.zeros(members),
        bounds=bounds,
        method="highs",
    )
    multipliers: Floats = np.maximum(-found.ineqlin.marginals, 0.0)
    found_weights: Floats = multipliers / multipliers.sum()
    return found_weights


def _by_row(errors: Floats) -> Floats:
    """`(units x rows, members)`, the rows of one unit after those of another."""
    return errors.reshape(len(errors), -1).T


def _equal_weights(errors: Floats) -> Floats:
    return np.full(errors.shape[1], 1 / errors.shape[1])
