"""Hyperparameter sweeps for branched multi-output Keras networks.

The public names are those of `__all__`; `import branchsweep` alone loads none of the libraries that they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from branchsweep.api.comparisons import ComparisonResult
    from branchsweep.api.models import Model, ModelHistory, history, load_model, rollback
    from branchsweep.api.new_experiments import new_experiment
    from branchsweep.api.running import compare, cross_validate, sweep
    from branchsweep.api.sweeps import Sweep, load_sweep
    from branchsweep.config.comparison import Comparison
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.sections.columns import Column
    from branchsweep.config.sections.dimensions import Choice, Float, Int
    from branchsweep.config.sections.heads import Head
    from branchsweep.errors import UserError
    from branchsweep.estimators.classifier import BranchedClassifier
    from branchsweep.estimators.regressor import BranchedRegressor
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
    "BranchedClassifier": "estimators.classifier",
    "BranchedRegressor": "estimators.regressor",
    "Callback": "workflows.callbacks",
    "Choice": "config.sections.dimensions",
    "Column": "config.sections.columns",
    "Comparison": "config.comparison",
    "ComparisonResult": "api.comparisons",
    "CrossValidationResult": "workflows.records.cross_validation_result",
    "Experiment": "config.experiment",
    "Float": "config.sections.dimensions",
    "Head": "config.sections.heads",
    "Int": "config.sections.dimensions",
    "Model": "api.models",
    "ModelHistory": "api.models",
    "Sweep": "api.sweeps",
    "UserError": "errors",
    "compare": "api.running",
    "cross_validate": "api.running",
    "history": "api.models",
    "load_model": "api.models",
    "load_sweep": "api.sweeps",
    "new_experiment": "api.new_experiments",
    "rollback": "api.models",
    "sweep": "api.running",
}
"""By public name, the module that it is imported from when it is first used."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'branchsweep' has no attribute '{name}'")
    return getattr(import_module(f"branchsweep.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
