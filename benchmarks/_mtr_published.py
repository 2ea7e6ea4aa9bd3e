"""Published results on ten multi-target regression tables of the Mulan collection.

Source: G. Melki, A. Cano, V. Kecman, S. Ventura (2017), "Multi-target support vector regression via correlation regressor
chains", Information Sciences 415-416. All methods were run on the same ten folds, which are not ours. The figure is the aRRMSE:
of each target and fold the relative RMSE (`metrics/relative_rmse.py`), averaged over the folds, then over the targets; lower is
better.

MORF is a random forest of all targets, ST one regressor for each target, MTS and MTSC stacked regressors (C: corrected by
cross-validation), RC, ERC and ERCC chains of regressors and ensembles of these, SVR a support vector regression for each
target, SVRRC and SVRCC chains of them. The hyperparameters of the SVR methods seem to have been chosen on the same folds; ST
and ERCC are the fair mark.
"""

from __future__ import annotations

from collections.abc import Mapping

METHODS = ("MORF", "ST", "MTS", "MTSC", "RC", "ERC", "ERCC", "SVR", "SVRRC", "SVRCC")
"""The methods, in the order of the figures."""

_FIGURES: Mapping[str, tuple[float, ...]] = {
    "slump": (0.694, 0.689, 0.669, 0.694, 0.702, 0.702, 0.689, 0.577, 0.555, 0.556),
    "edm": (0.734, 0.744, 0.741, 0.745, 0.745, 0.745, 0.744, 0.706, 0.707, 0.698),
    "flare1": (1.305, 1.136, 1.117, 1.076, 0.995, 1.046, 1.089, 0.992, 0.946, 0.932),
    "jura": (0.597, 0.587, 0.591, 0.589, 0.591, 0.590, 0.588, 0.595, 0.576, 0.589),
    "enb": (0.121, 0.117, 0.123, 0.121, 0.127, 0.125, 0.114, 0.098, 0.091, 0.090),
    "atp1d": (0.417, 0.373, 0.373, 0.371, 0.379, 0.370, 0.372, 0.377, 0.371, 0.378),
    "scpf": (0.827, 0.835, 0.844, 0.831, 0.826, 0.811, 0.829, 0.816, 0.804, 0.801),
    "oes97": (0.549, 0.523, 0.523, 0.522, 0.524, 0.524, 0.522, 0.464, 0.462, 0.464),
    "water-quality": (0.899, 0.909, 0.911, 0.909, 0.912, 0.910, 0.906, 0.934, 0.931, 0.905),
    "osales": (0.760, 0.747, 0.709, 0.727, 0.832, 0.726, 0.710, 0.792, 0.792, 0.781),
}

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    table: dict(zip(METHODS, figures, strict=True)) for table, figures in _FIGURES.items()
}
"""The aRRMSE of each method, by table, those that take least time first."""
