"""Hyperparameter sweeps for branched multi-output Keras networks.

The public names are those of `__all__`; `import branchsweep` alone loads none of the libraries that they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from branchsweep.api import Model, SweepResult, compare, cross_validate, load_model, load_sweep, sweep
    from branchsweep.config.comparison import Comparison
    from branchsweep.config.experiment import Experiment
    from branchsweep.errors import UserError
    from branchsweep.estimators import BranchedRegressor
    from branchsweep.metrics.comparison_result import ComparisonResult
    from branchsweep.workflows.records.cross_validation_result import CrossValidationResult

__version__ = "0.1.0"

__all__ = [
    "BranchedRegressor",
    "Comparison",
    "ComparisonResult",
    "CrossValidationResult",
    "Experiment",
    "Model",
    "SweepResult",
    "UserError",
    "__version__",
    "compare",
    "cross_validate",
    "load_model",
    "load_sweep",
    "sweep",
]

_MODULES = {
    "BranchedRegressor": "branchsweep.estimators",
    "Comparison": "branchsweep.config.comparison",
    "ComparisonResult": "branchsweep.metrics.comparison_result",
    "CrossValidationResult": "branchsweep.workflows.records.cross_validation_result",
    "Experiment": "branchsweep.config.experiment",
    "UserError": "branchsweep.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'branchsweep' has no attribute '{name}'")
    return getattr(import_module(_MODULES.get(name, "branchsweep.api")), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
