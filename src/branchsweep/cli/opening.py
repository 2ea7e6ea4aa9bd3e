"""What commands open: the table, the workers, and the terminal that shows what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from branchsweep.cli.words import INTERRUPTED
from branchsweep.errors import UserError

if TYPE_CHECKING:
    from branchsweep.data import Dataset, Split
    from branchsweep.experiment import Experiment, Workers
    from branchsweep.population import TrainingRows
    from branchsweep.roles import Trainer, Watch
    from branchsweep.workshop import Workshop


def print_notes(error: BaseException, console: Console) -> None:
    """What else went wrong while the error was on its way."""
    for note in getattr(error, "__notes__", []):
        console.print(escaped(note), style="bold yellow", highlight=False, soft_wrap=True)


@contextmanager
def stoppable(console: Console, sentence: str) -> Iterator[None]:
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
    from branchsweep import data

    def say(sentence: str, style: str = "") -> None:
        console.print(escaped(sentence), style=style, highlight=False, soft_wrap=True)

    with _download(console) as progress:
        dataset = data.load(experiment, data_path, require_real, report=say, progress=progress)
    split = data.split(experiment, dataset)
    for warning in (*dataset.warnings, *split.warnings):
        say(f"warning: {warning}", "bold yellow" if dataset.is_stand_in else "yellow")
    say(f"table: {dataset.location}, {dataset.rows:,} rows, {len(split.train):,} to train and {len(split.test):,} to test")
    return dataset, split


@contextmanager
def _download(console: Console) -> Iterator[Callable[[int, int], None]]:
    from branchsweep.terminal import Download

    bar = Download(console)
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
def at_work(rows: TrainingRows, means: Workers, console: Console) -> Iterator[tuple[Trainer, Watch]]:
    """Workers that see these rows, and the terminal that shows what they do."""
    from branchsweep.terminal import Terminal

    with Terminal(console) as watch, _trainer(rows, means, watch) as trainer:
        yield trainer, watch


def _trainer(rows: TrainingRows, means: Workers, watch: Watch) -> AbstractContextManager[Trainer]:
    from branchsweep import environment
    from branchsweep.experiment import Cluster

    if isinstance(means, Cluster):
        from branchsweep.training.ray import RayWorkers

        return RayWorkers(rows, means, watch.trained, watch.say, watch.crew)
    from branchsweep.training import gpus, workers

    cards = gpus.chosen(means, watch.say)
    return workers.Workers(rows, means.count, watch.trained, environment.cache_folder(), watch.crew, cards)


def means_of(given: str | None, experiment: Experiment | None = None) -> Workers:
    """Who trains: as the command says, else as the experiment does.

    What a recorded sweep says is not asked: it was the place where that was trained.
    """
    from branchsweep.experiment import Cluster, Processes

    written = experiment.workers if experiment else Processes(kind="local")
    if given is None:
        return written
    if given.isdecimal() and int(given):
        return Processes(kind="local", count=int(given))
    cluster = written if isinstance(written, Cluster) else Cluster(kind="ray")
    if given == "ray":
        return cluster
    try:
        return Cluster.model_validate({**cluster.model_dump(), "address": given})
    except ValueError:
        message = f"got '{given}', expected a number of processes (2), ray for a Ray cluster, or its address (ray://HOST:10001)"
        raise UserError(message, "--workers") from None


def workshop_of(means: Workers, console: Console) -> Workshop:
    """How many would train at once, and on what; of a cluster's GPUs nothing is known before somebody trains there."""
    from branchsweep.experiment import Cluster
    from branchsweep.workshop import Workshop

    if isinstance(means, Cluster):
        from branchsweep.training.ray import count_places

        return Workshop(count_places(means))
    from branchsweep.training import gpus, workers

    cards = gpus.chosen(means, lambda sentence: console.print(escaped(sentence), highlight=False, soft_wrap=True))
    return workers.workshop_of(cards, means.count)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Lays files out in a folder.

    Raises:
        UserError: They cannot be written there.
    """
    from branchsweep.files import lay_out

    try:
        lay_out(folder, files)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(folder)) from error


def refuse_missing_folder(output: Path) -> None:
    """Raises unless a file can lie there, before anything is done that takes its time."""
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; make it, or write elsewhere")
