"""What commands open: the table, the workers, and the terminal's progress display."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console

from branchsweep.cli.options import INTERRUPTED
from branchsweep.errors import DeprecatedKeyWarning, UserError

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.workers import Workers
    from branchsweep.data.dataset import Dataset, Split
    from branchsweep.data.training_rows import TrainingRows
    from branchsweep.training.protocols import Trainer
    from branchsweep.training.resources import Resources
    from branchsweep.workflows.progress import ProgressCallback


def print_notes(error: BaseException, console: Console) -> None:
    """Print the notes of an error, such as further errors during cleanup."""
    for note in getattr(error, "__notes__", []):
        console.print(escaped(note), style="bold yellow", highlight=False, soft_wrap=True)


@contextmanager
def deprecated_keys_as_notes(console: Console) -> Iterator[None]:
    """Context in which the warning that a key has a new name is printed as one line, without the place in our code."""
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, DeprecatedKeyWarning):
            console.print(f"[yellow]note:[/] {escaped(str(message))}", highlight=False, soft_wrap=True)
        else:
            others(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        warnings.simplefilter("default", DeprecatedKeyWarning)
        warnings.showwarning = show
        yield


@contextmanager
def handle_interrupt(console: Console, message: str) -> Iterator[None]:
    """Context in which Ctrl-C ends the command with a message instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        console.print(message)
        print_notes(interrupt, console)
        raise typer.Exit(INTERRUPTED) from interrupt


def escaped(text: str) -> str:
    """Escape brackets, which Rich would read as markup."""
    return text.replace("[", r"\[")


def read_table(experiment: Experiment, data_path: Path | None, require_real: bool, console: Console) -> tuple[Dataset, Split]:
    """Load the table and split its rows; every warning is printed."""
    from branchsweep.data import loading, splits
    from branchsweep.data.download import DownloadOptions

    def report(message: str, style: str = "") -> None:
        console.print(escaped(message), style=style, highlight=False, soft_wrap=True)

    with _download(console) as progress:
        dataset = loading.load_dataset(experiment, data_path, require_real, report, DownloadOptions(progress=progress))
    split = splits.split_rows(experiment, dataset)
    for warning in (*dataset.warnings, *split.warnings):
        report(f"warning: {warning}", "bold yellow" if dataset.is_synthetic else "yellow")
    report(f"table: {dataset.location}, {dataset.rows:,} rows, {len(split.train):,} to train and {len(split.test):,} to test")
    return dataset, split


@contextmanager
def _download(console: Console) -> Iterator[Callable[[int, int], None]]:
    from branchsweep.reporting.download_bar import DownloadBar

    bar = DownloadBar(console)
    try:
        yield bar
    finally:
        bar.close()


def all_overrides(overrides: list[str] | None, trials: int | None, seed: int | None) -> list[str]:
    """Overrides of `--set`, and those that have an option of their own."""
    given = list(overrides or [])
    if trials is not None:
        given.append(f"search.trials={trials}")
    if seed is not None:
        given.append(f"seed={seed}")
    return given


@contextmanager
def open_training(rows: TrainingRows, means: Workers, console: Console) -> Iterator[tuple[Trainer, ProgressCallback]]:
    """Workers that train on these rows, and the progress display."""
    from branchsweep.reporting.terminal import Terminal

    with Terminal(console) as progress, _trainer(rows, means, progress) as trainer:
        yield trainer, progress


def _trainer(rows: TrainingRows, means: Workers, progress: ProgressCallback) -> AbstractContextManager[Trainer]:
    from branchsweep.config.workers import RayWorkersConfig
    from branchsweep.runtime import cache_folder

    if isinstance(means, RayWorkersConfig):
        from branchsweep.training.ray.workers import RayWorkers

        return RayWorkers(rows, means, progress.on_trained, progress.on_message, progress.on_worker_status)
    from branchsweep.training import gpus, local_workers

    cards = gpus.choose_gpus(means, progress.on_message)
    return local_workers.LocalWorkers(rows, means.count, progress.on_trained, cache_folder(), progress.on_worker_status, cards)


def resolve_workers(given: str | None, experiment: Experiment | None = None) -> Workers:
    """Workers to train with: the option `--workers`, else the experiment's.

    The workers of a recorded sweep are not used: they describe the machine that trained it.
    """
    from branchsweep.config.workers import LocalWorkersConfig, RayWorkersConfig

    written = experiment.workers if experiment else LocalWorkersConfig(kind="local")
    if given is None:
        return written
    if given.isdecimal() and int(given):
        return LocalWorkersConfig(kind="local", count=int(given))
    cluster = written if isinstance(written, RayWorkersConfig) else RayWorkersConfig(kind="ray")
    if given == "ray":
        return cluster
    try:
        return RayWorkersConfig.model_validate({**cluster.model_dump(), "address": given})
    except ValueError:
        message = f"got '{given}', expected a number of processes (2), ray for a Ray cluster, or its address (ray://HOST:10001)"
        raise UserError(message, "--workers") from None


def training_resources(means: Workers, console: Console) -> Resources:
    """Number of workers and their device; the GPUs of a cluster are unknown before training starts there."""
    from branchsweep.config.workers import RayWorkersConfig
    from branchsweep.training.resources import Resources

    if isinstance(means, RayWorkersConfig):
        from branchsweep.training.ray.cluster import count_places

        return Resources(count_places(means))
    from branchsweep.training import gpus, local_workers

    cards = gpus.choose_gpus(means, lambda message: console.print(escaped(message), highlight=False, soft_wrap=True))
    return local_workers.local_resources(cards, means.count)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a folder.

    Raises:
        UserError: If they cannot be written.
    """
    from branchsweep.runtime import write_files

    try:
        write_files(folder, files)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(folder)) from error


def require_parent_folder(output: Path) -> None:
    """Check that the folder of an output file exists, before work begins that takes time.

    Raises:
        UserError: If it does not.
    """
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; create it, or choose another path")
