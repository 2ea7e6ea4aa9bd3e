"""Hyperparameter sweeps for branched multi-output Keras networks.

The public names are those of `__all__`; `import branchsweep` alone loads none of the libraries that they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from branchsweep.api import (
        ComparisonResult,
        Model,
        ModelHistory,
        Sweep,
        compare,
        cross_validate,
        history,
        load_model,
        load_sweep,
        new_experiment,
        rollback,
        sweep,
    )
    from branchsweep.config.comparison import Comparison
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.sections.columns import Column
    from branchsweep.config.sections.dimensions import Choice, Float, Int
    from branchsweep.config.sections.heads import Head
    from branchsweep.errors import UserError
    from branchsweep.estimators import BranchedClassifier, BranchedRegressor
    from branchsweep.workflows.callbacks import Callback
    from branchsweep.workflows.records.cross_validation_result import CrossValidationResult

__version__ = "0.1.0"

__all__ = [
    "BranchedClassifier",
    "BranchedRegressor",
    "Callback",
    "Choice",
    "Column",
    "Comparison",
    "ComparisonResult",
    "CrossValidationResult",
    "Experiment",
    "Float",
    "Head",
    "Int",
    "Model",
    "ModelHistory",
    "Sweep",
    "UserError",
    "__version__",
    "compare",
    "cross_validate",
    "history",
    "load_model",
    "load_sweep",
    "new_experiment",
    "rollback",
    "sweep",
]

_MODULES = {
    "BranchedClassifier": "branchsweep.estimators",
    "BranchedRegressor": "branchsweep.estimators",
    "Callback": "branchsweep.workflows.callbacks",
    "Choice": "branchsweep.config.sections.dimensions",
    "Column": "branchsweep.config.sections.columns",
    "Comparison": "branchsweep.config.comparison",
    "CrossValidationResult": "branchsweep.workflows.records.cross_validation_result",
    "Experiment": "branchsweep.config.experiment",
    "Float": "branchsweep.config.sections.dimensions",
    "Head": "branchsweep.config.sections.heads",
    "Int": "branchsweep.config.sections.dimensions",
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
