"""The Python API: run a sweep on a table or a DataFrame, look at its trials, predict with its best model.

    import branchsweep

    sweep = branchsweep.sweep(branchsweep.Experiment.from_yaml("experiments/quickstart.yaml"))
    sweep.trials_dataframe()   # the best trial first
    sweep.plot("pareto_front")
    sweep.best_model.predict(df)

Everything is recorded in MLflow, as by the command line: a sweep that was stopped is resumed by the same call.

`running.py` runs sweeps and comparisons, the other modules are what it returns. `notebook.py` is what Jupyter shows of them.
"""

from __future__ import annotations

from branchsweep.api.comparisons import ComparisonResult
from branchsweep.api.models import Model, ModelHistory, history, load_model, rollback
from branchsweep.api.new_experiments import new_experiment
from branchsweep.api.running import compare, cross_validate, sweep
from branchsweep.api.sweeps import Sweep, load_sweep

__all__ = [
    "ComparisonResult",
    "Model",
    "ModelHistory",
    "Sweep",
    "compare",
    "cross_validate",
    "history",
    "load_model",
    "load_sweep",
    "new_experiment",
    "rollback",
    "sweep",
]
