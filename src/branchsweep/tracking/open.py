"""Opens tracking stores: the one place where the other folders get a tracker, a registry or a recorded sweep from.

MLflow is imported by the functions that need it, for its import takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from branchsweep.config.addresses import Address
from branchsweep.runtime import DEVICE, cache_folder
from branchsweep.tracking.comparison_protocols import ComparisonArchive, ComparisonRecord, ComparisonTracker
from branchsweep.tracking.cross_validation_protocols import CrossValidationTracker
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.tracking.package_tracking import open_package_tracking
from branchsweep.tracking.protocols import SweepRecord, Tracking
from branchsweep.tracking.retries import Retries
from branchsweep.tracking.run_reader import (
    SweepReader,
    list_comparisons,
    list_cross_validations,
    list_sweeps,
    open_recorded_sweep,
    open_recorded_trial,
    open_run_store,
    recorded_cross_validation,
    runs_to_json,
)
from branchsweep.tracking.run_records import (
    STATUS_BY_ROLE,
    ListedComparison,
    ListedCrossValidation,
    ListedSweep,
    was_killed,
)
from branchsweep.tracking.tracking_uri import is_of_package, is_server, resolve_tracking_uri, store_folder
from branchsweep.tracking.ui_pages import link, run_pages, ui_command

if TYPE_CHECKING:
    from branchsweep.tracking.mlflow.model import LoadedModel
    from branchsweep.tracking.mlflow.registry import MlflowRegistry

__all__ = [
    "ListedComparison",
    "ListedCrossValidation",
    "ListedSweep",
    "SweepReader",
    "download_model",
    "link",
    "list_comparisons",
    "list_cross_validations",
    "list_sweeps",
    "load_predictor",
    "open_comparison_tracking",
    "open_cross_validation_tracking",
    "open_recorded_comparison",
    "open_recorded_sweep",
    "open_recorded_tracking",
    "open_recorded_trial",
    "open_registry",
    "open_tracking",
    "prepare_pages",
    "recorded_cross_validation",
    "run_pages",
    "runs_to_json",
    "store_folder",
    "ui_command",
]


@contextmanager
def open_tracking(
    record: SweepRecord,
    tracking_uri: Address | None,
    fresh: bool,
    take_over: bool,
    on_message: Callable[[str], None],
) -> Iterator[Tracking]:
    """Open a sweep to record it, beside the training; it is this process's alone while the context is open.

    The sweep of this key is resumed if the store has it, whether it was killed or finished; else it is started. What a server
    is to record is kept on disk until the server has it.

    Args:
        record: What is written down about the sweep.
        tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
        fresh: Start a new sweep in any case.
        take_over: Resume the sweep even if another process runs it, which then stops.
        on_message: Called with sentences for the user.

    Raises:
        TrackingError: There is no usable store at this URI, or another process runs this sweep.
    """
    uri = resolve_tracking_uri(tracking_uri)
    if is_of_package(uri):
        yield replace(open_package_tracking(record, uri, fresh), is_in_mlflow=False)
        return
    from branchsweep.tracking.async_tracker import AsyncTracker  # noqa: PLC0415
    from branchsweep.tracking.mlflow.tracker import MlflowTracker  # noqa: PLC0415
    from branchsweep.tracking.outbox import Outbox  # noqa: PLC0415
    from branchsweep.tracking.retrying_trackers import RetryingRegistry, RetryingTestAudit  # noqa: PLC0415

    optional = OptionalOutputs(on_message)
    tracker = MlflowTracker.open(record, tracking_uri, fresh, take_over, optional)
    _mark_killed_runs(tracking_uri, optional)
    outbox = Outbox(outbox_folder(tracker.run_id)) if is_server(tracker.tracking_uri) else None
    if tracker.lock.after:
        on_message(f"resuming the sweep in place of {tracker.lock.after}")
    before, now = (environment.get(DEVICE, "") for environment in (tracker.earlier_environment, record.environment))
    if before and before != now and not tracker.conclusion:
        on_message(
            f"recorded trials were trained on {before}, new ones are trained on {now}: their scores differ in the last digits"
        )
    with AsyncTracker(tracker, outbox, tracker.lock, on_message) as async_tracker:
        store = tracker.tracking
        yield Tracking(
            async_tracker,
            RetryingRegistry(store.registry, async_tracker),
            RetryingTestAudit(store.test_audit, async_tracker),
            tracker.lock.report,
        )


def prepare_pages(tracking_uri: Address | None, on_message: Callable[[str], None]) -> None:
    """Before MLflow's pages are opened: give sweeps and comparisons whose process was killed the status `KILLED` there.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        on_message: Called with a sentence where that fails.

    Raises:
        TrackingError: There is no store at this URI.
    """
    store = open_run_store(tracking_uri)
    if any(was_killed(run, role) for role in STATUS_BY_ROLE for run in store.roots(role)):
        _mark_killed_runs(tracking_uri, OptionalOutputs(on_message))


def _mark_killed_runs(tracking_uri: Address | None, optional: OptionalOutputs) -> None:
    from branchsweep.tracking.mlflow.killed_runs import mark_killed_runs  # noqa: PLC0415

    nothing: list[str] = []
    optional.make("MLflow's status of killed sweeps", lambda: mark_killed_runs(tracking_uri), nothing)


def outbox_folder(run_id: str) -> Path:
    """The folder of a sweep's outbox.

    Args:
        run_id: Of the sweep.
    """
    return cache_folder() / "spool" / run_id


def open_recorded_tracking(
    tracking_uri: Address | None, sweep: str, on_message: Callable[[str], None]
) -> tuple[SweepReader, Tracking]:
    """A recorded sweep to read from, and the tracking of its store, to promote one of its trials.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        sweep: As of `open_recorded_sweep`.
        on_message: Called with sentences for the user.

    Raises:
        TrackingError: There is no such sweep, or more than one.
    """
    from branchsweep.tracking.mlflow.tracker import open_existing  # noqa: PLC0415
    from branchsweep.tracking.retrying_trackers import RetryingRegistry, RetryingTestAudit  # noqa: PLC0415

    recorded = open_recorded_sweep(tracking_uri, sweep)
    store, patience = open_existing(tracking_uri, recorded.run_id).tracking, Retries(on_message)
    return recorded, Tracking(
        store.tracker, RetryingRegistry(store.registry, patience), RetryingTestAudit(store.test_audit, patience)
    )


def open_comparison_tracking(
    record: ComparisonRecord, tracking_uri: Address | None, fresh: bool, on_message: Callable[[str], None]
) -> ComparisonTracker:
    """Open a comparison to record it; the comparison of this key is resumed if the store has it, else it is started.

    Args:
        record: What is written down about the comparison.
        tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
        fresh: Start a new comparison in any case.
        on_message: Called with sentences for the user.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker  # noqa: PLC0415
    from branchsweep.tracking.retrying_trackers import RetryingComparisonTracker  # noqa: PLC0415

    optional = OptionalOutputs(on_message)
    tracker = MlflowComparisonTracker.open(record, tracking_uri, fresh, optional)
    _mark_killed_runs(tracking_uri, optional)
    return RetryingComparisonTracker(tracker, Retries(on_message))


def open_cross_validation_tracking(
    record: SweepRecord, tracking_uri: Address | None, fresh: bool, on_message: Callable[[str], None]
) -> CrossValidationTracker:
    """Open an outer cross-validation to record it; the one of this key is resumed if the store has it, else it is started.

    Args:
        record: What is written down about it.
        tracking_uri: The store; see `resolve_tracking_uri`. A sqlite file that does not exist is created.
        fresh: Start a new one in any case.
        on_message: Called with sentences for the user.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    from branchsweep.tracking.mlflow.cross_validation import MlflowCrossValidationTracker  # noqa: PLC0415
    from branchsweep.tracking.retrying_trackers import RetryingCrossValidationTracker  # noqa: PLC0415

    tracker = MlflowCrossValidationTracker.open(record, tracking_uri, fresh, OptionalOutputs(on_message))
    return RetryingCrossValidationTracker(tracker, Retries(on_message))


def open_recorded_comparison(tracking_uri: Address | None, comparison: str = "") -> ComparisonArchive:
    """A recorded comparison, to read from.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.
        comparison: As the sweep of `open_recorded_sweep`.

    Raises:
        TrackingError: There is no such comparison, or more than one.
    """
    from branchsweep.tracking.mlflow.comparison import open_comparison  # noqa: PLC0415

    return open_comparison(tracking_uri, comparison)


def open_registry(tracking_uri: Address | None = None) -> MlflowRegistry:
    """The registry of an existing store.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no store at this URI.
    """
    from branchsweep.tracking.mlflow import registry  # noqa: PLC0415

    return registry.open_registry(tracking_uri)


def load_predictor(model_uri: str, tracking_uri: Address | None = None) -> LoadedModel:
    """A registered model as a function from tables to tables.

    Args:
        model_uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no such model, alias or version.
    """
    from branchsweep.tracking.mlflow import model  # noqa: PLC0415

    return model.load_predictor(model_uri, tracking_uri)


def download_model(model_uri: str, target: Path, tracking_uri: Address | None = None) -> Path:
    """Download a registered model's own files.

    Args:
        model_uri: As of `load_predictor`.
        target: An existing folder.
        tracking_uri: The store; see `resolve_tracking_uri`.

    Returns:
        The folder that holds `model.keras`, `serving.json`, and an `encoder_KIND.py` for each kind of encoder.

    Raises:
        TrackingError: There is no such model, alias or version, or it was not made by branchsweep.
    """
    from branchsweep.tracking.mlflow import model  # noqa: PLC0415

    return model.download_model(model_uri, target, tracking_uri)
