"""Opens what workflows need: the table, the workers, and the display of their progress.

The command line, the Python API and tests share it. What runs in a session is in `launch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig, RayWorkersConfig, Workers
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.download import DownloadOptions
from branchsweep.data.loading import TableData, load_dataset
from branchsweep.data.splits import outer_splits, split_rows
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics.functions import takes_weights
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.runtime import give_back_memory
from branchsweep.training.protocols import Trainer, WorkerCallbacks
from branchsweep.training.resources import Resources
from branchsweep.workflows.callbacks import Callback
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress, ProgressCallback
from branchsweep.workflows.reporter import TABLES_ONLY, SweepReporter
from branchsweep.workflows.started_workers import StartedWorkers, start_workers

DownloadProgress = Callable[[int, int], None]
"""Called with the number of bytes received, and the total number (0 where it is unknown)."""


class UserInterface(Protocol):
    """Shows messages and progress to the user."""

    def message(self, text: str, style: str = "") -> None:
        """Show a message.

        Args:
            text: The message.
            style: `warning` or `alarm` for messages that the user should notice; empty for all others.
        """
        ...

    def progress(self) -> AbstractContextManager[ProgressCallback]:
        """The display of a workflow's progress, for as long as the context is open."""
        ...

    def download(self) -> AbstractContextManager[DownloadProgress]:
        """The display of a download's progress, for as long as the context is open."""
        ...


class SilentInterface:
    """A `UserInterface` that shows nothing."""

    def message(self, text: str, style: str = "") -> None:
        """Show nothing."""

    def progress(self) -> AbstractContextManager[ProgressCallback]:
        """A callback that does nothing."""
        return nullcontext(NoProgress())

    def download(self) -> AbstractContextManager[DownloadProgress]:
        """A callback that does nothing."""
        return nullcontext(lambda _received, _total: None)


SILENT = SilentInterface()


def tables_only(_on_message: Callable[[str], None]) -> SweepReporter:
    """A reporter that writes the tables of a sweep alone."""
    return TABLES_ONLY


@dataclass(frozen=True, slots=True)
class Session:
    """How and where workflows run: everything beside what an experiment says.

    Args:
        data: The rows: the path of a table, or a DataFrame; the experiment's table if None.
        test_data: The path of the test rows' own table in place of the one that a recorded sweep names, which was moved.
        require_real: Whether to refuse the synthetic replacement of the built-in table.
        tracking_uri: URI of the MLflow store; `sqlite:///mlflow.db` in the working directory, or what the environment variable
            MLFLOW_TRACKING_URI says, if None.
        workers: What trains; the experiment's workers if None, and local ones for what was recorded before.
        fresh: Whether to start again what is recorded already.
        take_over: Whether to resume a sweep that another process runs; that process then stops.
        interface: Shows messages and progress.
        reporter: Makes the reporter of a sweep, given a function that shows messages.
        callbacks: Are called while a search runs.
        began: When the command or call began, as a value of `time.perf_counter`; durations count from then.
        started: Worker processes that were started already; None for none.
    """

    data: TableData | None = None
    require_real: bool = False
    tracking_uri: Address | None = None
    workers: Workers | None = None
    fresh: bool = False
    take_over: bool = False
    interface: UserInterface = SILENT
    reporter: Callable[[Callable[[str], None]], SweepReporter] = tables_only
    test_data: Path | None = None
    callbacks: tuple[Callback, ...] = ()
    began: float = field(default_factory=time.perf_counter)
    started: StartedWorkers | None = None

    @property
    def data_path(self) -> Path | None:
        """The path of the table; None for a DataFrame, and for the experiment's table."""
        return self.data if isinstance(self.data, Path) else None


def load_rows(experiment: Experiment, session: Session) -> tuple[Dataset, Split]:
    """The table of an experiment and its split; warnings about them are shown.

    Raises:
        DataError: The table cannot be read, or does not fit the experiment.
    """
    dataset = load_table(experiment, session)
    split = split_rows(experiment, dataset)
    _show_warnings(split.warnings, dataset, session)
    test = f" (all rows of {dataset.test_table.location})" if dataset.test_table else ""
    rows = f"{dataset.rows:,} rows, {len(split.train):,} to train and {len(split.test):,} to test{test}"
    session.interface.message(f"table: {dataset.location}, {rows}")
    return dataset, split


def load_outer_rows(experiment: Experiment, session: Session) -> tuple[Dataset, tuple[Split, ...]]:
    """The table of an outer cross-validation and the split of each fold; warnings about them are shown.

    Raises:
        DataError: The table cannot be read, or does not fit the experiment.
    """
    dataset = load_table(experiment, session)
    splits = outer_splits(experiment, dataset)
    _show_warnings([f"Fold {number}: {warning}" for number, warning in fold_warnings(splits)], dataset, session)
    sizes = sorted({len(split.test) for split in splits})
    test = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    rows = f"{dataset.rows:,} rows, in {len(splits)} outer folds of {test} test rows"
    session.interface.message(f"table: {dataset.location}, {rows}")
    return dataset, splits


def load_table(experiment: Experiment, session: Session) -> Dataset:
    """The table of an experiment; warnings about it are shown.

    Raises:
        DataError: The table cannot be read, or does not fit the experiment.
    """
    show = session.interface.message
    with session.interface.download() as progress:
        dataset = load_dataset(experiment, session.data, session.require_real, show, DownloadOptions(progress=progress))
    give_back_memory()
    _check_metrics(experiment.with_classes(dataset.classes), dataset)
    _show_warnings(dataset.warnings, dataset, session)
    return dataset


def _check_metrics(experiment: Experiment, dataset: Dataset) -> None:
    """Check that what is computed of weighted rows can be weighted.

    Args:
        experiment: Its heads have the classes of the table.
        dataset: The table.

    Raises:
        ConfigError: A head has a metric whose function takes no weights.
    """
    for head, kind in kinds_by_head(experiment).items() if dataset.weights is not None else ():
        for name in kind.metrics:
            if not takes_weights(kind, name):
                message = f"the metric {name} takes no weights, but the rows have some: register it with a function of"
                raise ConfigError(f"{message} (actual, predicted, weights), or leave the weights out", f"heads.{head}")


def _show_warnings(warnings: Sequence[str], dataset: Dataset, session: Session) -> None:
    for warning in warnings:
        session.interface.message(f"warning: {warning}", "alarm" if dataset.is_synthetic else "warning")


def fold_warnings(splits: Sequence[Split]) -> list[tuple[int, str]]:
    """The warnings about the first split that has any, with its number: those about the others differ in their counts alone."""
    return next(
        ([(number, warning) for warning in split.warnings] for number, split in enumerate(splits, 1) if split.warnings), []
    )


@contextmanager
def open_training(rows: TrainingRows, session: Session, experiment: Experiment | None = None) -> Iterator[TrainingContext]:
    """Workers that train on these rows, with the display of their progress, for as long as the context is open.

    Args:
        rows: The rows that a trainer may see.
        session: Says which workers, unless it leaves that to the experiment.
        experiment: Says which workers otherwise; None for local ones.
    """
    with session.interface.progress() as progress, _trainer(rows, session, progress, experiment) as (trainer, shared):
        del rows  # which may be in memory once more
        yield TrainingContext(trainer, shared, progress, session.callbacks)


@contextmanager
def with_workers(
    session: Session, experiment: Experiment | None, on_message: Callable[[str], None] | None = None
) -> Iterator[Session]:
    """The session with worker processes of this machine that are started, if it has none and is to have some.

    Args:
        session: How and where.
        experiment: Says which workers, unless the session does.
        on_message: Called with sentences about GPUs and damaged programs; the session's interface shows them if None.
    """
    if session.started:
        yield session
        return
    with start_workers(workers_of(session, experiment), on_message or session.interface.message) as started:
        yield replace(session, started=started)


def workers_of(session: Session, experiment: Experiment | None) -> Workers:
    """The workers of the session, else those of the experiment, else local ones."""
    return session.workers or (experiment.workers if experiment else LocalWorkersConfig(kind="local"))


def training_resources(session: Session, experiment: Experiment) -> Resources:
    """The number of workers and their device; the GPUs of a cluster are unknown before training starts there."""
    workers = workers_of(session, experiment)
    if isinstance(workers, RayWorkersConfig):
        from branchsweep.training.ray.cluster import count_places  # noqa: PLC0415  # Ray is an extra

        return Resources(count_places(workers))
    from branchsweep.training import gpus, local_workers  # noqa: PLC0415  # starts processes to look for GPUs

    found = gpus.choose_gpus(workers, session.interface.message)
    return local_workers.local_resources(found, workers.count)


@contextmanager
def _trainer(
    rows: TrainingRows, session: Session, progress: ProgressCallback, experiment: Experiment | None
) -> Iterator[tuple[Trainer, TrainingRows]]:
    """A trainer, and the rows as it has them: large ones in the file that it shares with its workers, and no more in memory."""
    workers = workers_of(session, experiment)
    callbacks = WorkerCallbacks(progress.on_trained, progress.on_message, progress.on_worker_status)
    if isinstance(workers, RayWorkersConfig):
        from branchsweep.training.ray.workers import RayWorkers  # noqa: PLC0415  # Ray is an extra

        with RayWorkers(rows, workers, callbacks) as cluster:
            yield cluster, rows
        return
    with with_workers(session, experiment, progress.on_message) as with_started:
        assert with_started.started is not None, "they are of this machine"
        trainer = with_started.started.begin(rows, experiment, callbacks)
        del rows  # as above
        yield trainer, trainer.rows
