"""The encoder of columns by cosines and sines, whose frequencies are not trained.

Trained periodic embeddings begin with frequencies that are drawn from a normal distribution (Gorishniy, Rubachev and Babenko
2022). Drawn and kept, four of them gain most of what trained ones gain (`benchmarks/layers_tried.py`); here they are quantiles
of that distribution, so that nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from branchsweep.data.encoders import periodic
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.data.encoders.scaling import STANDARD
from branchsweep.types import Floats, SourceCall

FREQUENCIES = (0.047, 0.147, 0.266, 0.46)
"""In periods per standard deviation of the column: of a normal distribution with a standard deviation of 0.3, the middles of
four parts of equal probability, without their sign."""


def _fit(values: Floats, targets: Floats) -> Mapping[str, Any]:
    return {**STANDARD.fit_state(values, targets), "frequencies": list(FREQUENCIES)}


_SOURCE = f'''
class Periodic(TransformerMixin, BaseEstimator):
    """Cosines and sines of each column, standardized."""

    def fit(self, x, y=None):
        self.scaler_ = StandardScaler().fit(x)
        return self

    def transform(self, x):
        frequencies = {list(FREQUENCIES)}
        angles = 2 * np.pi * self.scaler_.transform(x)[:, :, None] * frequencies
        waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=2)
        return waves.reshape(len(x), -1)
'''

PERIODIC = Encoder(
    "periodic",
    _fit,
    periodic,
    SourceCall(
        "Periodic",
        definition=_SOURCE.strip(),
        uses=(
            SourceCall("BaseEstimator", module="sklearn.base"),
            SourceCall("TransformerMixin", module="sklearn.base"),
            SourceCall("StandardScaler", module="sklearn.preprocessing"),
        ),
    ),
    width=lambda columns: columns * 2 * len(FREQUENCIES),
    beside="standard",
)
"""The standardized value, and beside it cosines and sines of it."""
