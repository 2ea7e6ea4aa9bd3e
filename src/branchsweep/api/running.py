"""Functions that run sweeps and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from branchsweep.api.arguments import check_file_model
from branchsweep.api.comparisons import ComparisonResult
from branchsweep.api.sessions import Call
from branchsweep.api.sweeps import Sweep, load_sweep
from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import Workers
from branchsweep.data.loading import TableData
from branchsweep.errors import UserError
from branchsweep.reporting.comparison.files import comparison_files
from branchsweep.workflows.callbacks import Callback
from branchsweep.workflows.launch import launch_comparison, launch_cross_validation, launch_sweep
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult


def sweep(
    experiment: Experiment,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    callbacks: Sequence[Callback] = (),
    fresh: bool = False,
    verbose: bool = True,
) -> Sweep:
    """Run a sweep, or resume it: search, confirm the best trials, refit the finalist, compare it with baselines, register it.

    Args:
        experiment: What to search, and how.
        data: The path of a table, or a DataFrame; the experiment's table if None.
        tracking_uri: URI of the MLflow store; `sqlite:///mlflow.db` in the working directory, or what the environment variable
            MLFLOW_TRACKING_URI says, if None.
        workers: Number of worker processes, or workers as an experiment describes them; the experiment's if None.
        callbacks: Are called after every trial and every round of the search, which they may stop.
        fresh: Whether to start again, even if this sweep is recorded.
        verbose: Whether to show messages and progress: on standard error, or below the cell of a notebook.

    Returns:
        The recorded sweep.

    Raises:
        UserError: The experiment, the table, the workers or the store cannot be used.
    """
    check_file_model(experiment, Experiment, "experiment")
    with Call(data, tracking_uri, workers, fresh, verbose, callbacks).session() as session:
        summary = launch_sweep(experiment, session)
    return load_sweep(summary.run_id, tracking_uri)


def cross_validate(
    experiment: Experiment,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    fresh: bool = False,
    verbose: bool = True,
) -> CrossValidationResult:
    """Run an outer cross-validation, or resume it: the sweep once per fold (`test.folds`), each scored on rows it did not see.

    Args:
        experiment: What to search, and how; with `test.folds`.
        data: As of `sweep`.
        tracking_uri: As of `sweep`.
        workers: As of `sweep`.
        fresh: As of `sweep`.
        verbose: As of `sweep`.

    Returns:
        The nested score: `scores["r2"]`, and `scores["rrmse"].mean`, the aRRMSE.

    Raises:
        UserError: As of `sweep`; or the experiment has no `test.folds`.
    """
    check_file_model(experiment, Experiment, "experiment")
    if not experiment.test.is_outer_cross_validation:
        raise UserError("got an experiment of one sweep, expected test.folds, such as 10", "test.folds")
    with Call(data, tracking_uri, workers, fresh, verbose).session() as session:
        return launch_cross_validation(experiment, session)


def compare(
    comparison: Comparison,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    fresh: bool = False,
    quick: bool = False,
    verbose: bool = True,
) -> ComparisonResult:
    """Compare models by 5x2 cross-validation, or resume a comparison: one network for all heads, one per head, and others.

    Args:
        comparison: The contestants and the protocol.
        data: As of `sweep`.
        tracking_uri: As of `sweep`.
        workers: As of `sweep`.
        fresh: Whether to start again, even if this comparison is recorded.
        quick: Whether to run its quick form, for a first look; `cuts` of the result says what that leaves out.
        verbose: As of `sweep`.

    Raises:
        UserError: As of `sweep`.
    """
    check_file_model(comparison, Comparison, "comparison")
    command = f"branchsweep.compare(comparison{', quick=True' * quick})"
    with Call(data, tracking_uri, workers, fresh, verbose).session() as session:
        result, _ = launch_comparison(comparison, session, partial(comparison_files, command=command), quick)
    return ComparisonResult.of(result)
