"""What commands open: the table, the workers, and the terminal that shows what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from branchsweep.cli.options import INTERRUPTED
from branchsweep.errors import UserError

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.workers import Workers
    from branchsweep.data.dataset import Dataset, Split
    from branchsweep.data.training_rows import TrainingRows
    from branchsweep.training.protocols import Trainer
    from branchsweep.training.resources import Resources
    from branchsweep.workflows.progress import ProgressCallback


def print_notes(error: BaseException, console: Console) -> None:
    """What else went wrong while the error was on its way."""
    for note in getattr(error, "__notes__", []):
        console.print(escaped(note), style="bold yellow", highlight=False, soft_wrap=True)


@contextmanager
def handle_interrupt(console: Console, sentence: str) -> Iterator[None]:
    """Within it, Ctrl-C ends the command with a sentence instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        console.print(sentence)
        print_notes(interrupt, console)
        raise typer.Exit(INTERRUPTED) from interrupt


def escaped(text: str) -> str:
    """Text whose brackets are no markup."""
    return text.replace("[", r"\[")


def read_table(experiment: Experiment, data_path: Path | None, require_real: bool, console: Console) -> tuple[Dataset, Split]:
    """The table and its split, with every warning said aloud."""
    from branchsweep.data import loading, splits

    def say(sentence: str, style: str = "") -> None:
        console.print(escaped(sentence), style=style, highlight=False, soft_wrap=True)

    with _download(console) as progress:
        dataset = loading.load_dataset(experiment, data_path, require_real, report=say, progress=progress)
    split = splits.split_rows(experiment, dataset)
    for warning in (*dataset.warnings, *split.warnings):
        say(f"warning: {warning}", "bold yellow" if dataset.is_stand_in else "yellow")
    say(f"table: {dataset.location}, {dataset.rows:,} rows, {len(split.train):,} to train and {len(split.test):,} to test")
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
    """What `--set` says, and what has words of its own."""
    given = list(overrides or [])
    if trials is not None:
        given.append(f"search.trials={trials}")
    if seed is not None:
        given.append(f"seed={seed}")
    return given


@contextmanager
def open_training(rows: TrainingRows, means: Workers, console: Console) -> Iterator[tuple[Trainer, ProgressCallback]]:
    """Workers that see these rows, and the terminal that shows what they do."""
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
    """Who trains: as the command says, else as the experiment does.

    What a recorded sweep says is not asked: it was the place where that was trained.
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
    """How many would train at once, and on what; of a cluster's GPUs nothing is known before somebody trains there."""
    from branchsweep.config.workers import RayWorkersConfig
    from branchsweep.training.resources import Resources

    if isinstance(means, RayWorkersConfig):
        from branchsweep.training.ray.cluster import count_places

        return Resources(count_places(means))
    from branchsweep.training import gpus, local_workers

    cards = gpus.choose_gpus(means, lambda sentence: console.print(escaped(sentence), highlight=False, soft_wrap=True))
    return local_workers.local_resources(cards, means.count)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Lays files out in a folder.

    Raises:
        UserError: They cannot be written there.
    """
    from branchsweep.runtime import write_files

    try:
        write_files(folder, files)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(folder)) from error


def require_parent_folder(output: Path) -> None:
    """Raises unless a file can lie there, before anything is done that takes its time."""
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; make it, or write elsewhere")
