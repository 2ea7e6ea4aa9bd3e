"""The acquisition function of the Bayesian oracle: a lower confidence bound with its gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from branchsweep.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class LowerConfidenceBound:
    """The lower confidence bound of a Gaussian process, in standard deviations of the observed values, with its gradient.

    The process is scikit-learn's, with a Matérn kernel of nu = 5/2 and one length scale (Rasmussen and Williams 2006, 4.17).

    Args:
        x: `(n, D)` points in the unit cube.
        length: The kernel's length scale.
        beta: The number of standard deviations between the mean and the bound.
        inverse: `(n, n)` the inverse of the covariance of the points.
        weights: `(n,)` the weights of the points in the mean.
    """

    x: Floats
    length: float
    beta: float
    inverse: Floats
    weights: Floats

    @classmethod
    def of(cls, x: Floats, y: Floats, length: float, noise: float, beta: float) -> Self:
        """The bound of a process that has observed some points.

        Args:
            x: `(n, D)` points in the unit cube.
            y: `(n,)` the observed values.
            length: The kernel's length scale.
            noise: Added to the diagonal of the covariance.
            beta: The number of standard deviations between the mean and the bound.
        """
        covariance = _matern(np.linalg.norm(x[:, None] - x, axis=2) / length)[0]
        inverse = np.asarray(np.linalg.inv(covariance + noise * np.eye(len(x))), dtype=np.float64)
        return cls(x, length, beta, inverse, inverse @ ((y - y.mean()) / (y.std() or 1.0)))

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        """The bound at a point `(D,)` and its gradient `(D,)` there."""
        offsets = (point - self.x) / self.length
        kernel, slope = _matern(np.linalg.norm(offsets, axis=1))
        solved = self.inverse @ kernel
        deviation = math.sqrt(max(1.0 - float(kernel @ solved), 1e-12))
        gradient = (slope * (self.weights + self.beta / deviation * solved)) @ offsets / self.length
        return float(kernel @ self.weights) - self.beta * deviation, gradient


def _matern(distance: Floats) -> tuple[Floats, Floats]:
    """The kernel at distances in length scales, and its derivative with respect to the distance, divided by the distance."""
    scaled = math.sqrt(5.0) * distance
    decay = np.exp(-scaled)
    return (1.0 + scaled + scaled**2 / 3.0) * decay, -5.0 / 3.0 * (1.0 + scaled) * decay
