"""Types that every part of the package shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Weights = tuple[NDArray[np.float32], ...]
"""A network's weights, layer by layer: kernel `(in, out)` and bias `(out,)` of the trunk from the inputs on, then head by head
its branch and its output."""

Scaler = dict[str, Any]
"""A fitted scaler as plain values, as `models.serving` reads it."""
