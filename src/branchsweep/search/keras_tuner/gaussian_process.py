"""The acquisition function of the Bayesian oracle: a lower confidence bound with its gradient."""

from __future__ import annotations

import math

import numpy as np

from branchsweep.types import Floats


class LowerConfidenceBound:
    """The lower confidence bound of a Gaussian process, in standard deviations of the observed values, with its gradient.

    The process is scikit-learn's, with a Matérn kernel of nu = 5/2 and one length scale (Rasmussen and Williams 2006, 4.17).

    Args:
        x: `(n, D)` points in the unit cube.
        y: `(n,)` the observed values.
        length: The kernel's length scale.
        noise: Added to the diagonal of the covariance.
        beta: The number of standard deviations between the mean and the bound.
    """

    def __init__(self, x: Floats, y: Floats, length: float, noise: float, beta: float) -> None:
        self._x, self._length, self._beta = x, length, beta
        covariance = _matern(np.linalg.norm(x[:, None] - x, axis=2) / length)[0]
        self._inverse = np.linalg.inv(covariance + noise * np.eye(len(x)))
        self._weights = self._inverse @ ((y - y.mean()) / (y.std() or 1.0))

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        """The bound at a point `(D,)` and its gradient `(D,)` there."""
        offsets = (point - self._x) / self._length
        kernel, slope = _matern(np.linalg.norm(offsets, axis=1))
        solved = self._inverse @ kernel
        deviation = math.sqrt(max(1.0 - float(kernel @ solved), 1e-12))
        gradient = (slope * (self._weights + self._beta / deviation * solved)) @ offsets / self._length
        return float(kernel @ self._weights) - self._beta * deviation, gradient


def _matern(distance: Floats) -> tuple[Floats, Floats]:
    """The kernel at distances in length scales, and its derivative with respect to the distance, divided by the distance."""
    scaled = math.sqrt(5.0) * distance
    decay = np.exp(-scaled)
    return (1.0 + scaled + scaled**2 / 3.0) * decay, -5.0 / 3.0 * (1.0 + scaled) * decay
