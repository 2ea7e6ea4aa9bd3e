"""What several commands do: options into values, notes of errors, Ctrl-C, files that are written."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console
from rich.text import Text

from branchsweep.cli.options import INTERRUPTED
from branchsweep.config.addresses import Address
from branchsweep.errors import DeprecatedKeyWarning, HeadNameWarning, UserError

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.sections.workers import Workers
    from branchsweep.config.yaml.overrides import OptionValue
    from branchsweep.tracking.open import SweepReader
    from branchsweep.trial import Result
    from branchsweep.workflows.session import Session

BEGAN: ContextVar[float | None] = ContextVar("BEGAN", default=None)
"""When the process of the command was started, as a value of `time.perf_counter`; None where a command is called otherwise."""

_ABOUT_YAML = (DeprecatedKeyWarning, HeadNameWarning)


def print_notes(error: BaseException, console: Console) -> None:
    """Print the notes of an error, such as further errors during cleanup."""
    for note in getattr(error, "__notes__", []):
        console.print(note, style="bold yellow", highlight=False, soft_wrap=True)


@contextmanager
def warnings_about_yaml_as_notes(console: Console) -> Iterator[None]:
    """Context in which warnings about a YAML file are printed as one line each, without the place in our code."""
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, _ABOUT_YAML):
            console.print(Text.assemble(("note:", "yellow"), f" {message}"), highlight=False, soft_wrap=True)
        else:
            others(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        for kind in _ABOUT_YAML:
            warnings.simplefilter("default", kind)
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


def all_overrides(overrides: list[str] | None, trials: int | None, seed: int | None) -> list[str | OptionValue]:
    """Overrides of `--set`, and those that have an option of their own."""
    from branchsweep.config.yaml.overrides import OptionValue

    given = [("--trials", "search.trials", trials), ("--seed", "seed", seed)]
    return [*(overrides or []), *(OptionValue(option, key, value) for option, key, value in given if value is not None)]


def with_test_data(experiment: Experiment, path: Path | None, console: Console) -> Experiment:
    """The experiment with the test rows of `--test-data`, and a note where that replaces what it says of them itself.

    Raises:
        ConfigError: As of `Experiment.with_test_table`.
    """
    if path is None:
        return experiment
    replaced = [
        f"test.{key} {getattr(experiment.test, key)}" for key in ("fraction", "path") if key in experiment.test.model_fields_set
    ]
    if replaced:
        note = f" the test rows are those of --test-data {path}, instead of {replaced[0]}"
        console.print(Text.assemble(("note:", "yellow"), note), highlight=False, soft_wrap=True)
    return experiment.with_test_table(path)


def read_recorded_trial(recorded: SweepReader, number: int) -> tuple[Experiment, Result]:
    """A trial of a recorded sweep, with the sweep's experiment.

    Raises:
        UserError: There is no such trial, or its record cannot be read.
    """
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.workflows.records.recorded_params import check_recorded_params
    from branchsweep.workflows.records.trial_details import find_trial

    result = find_trial(recorded.recorded_results(), number, recorded.label)
    experiment = parse_recorded_experiment(recorded.yaml, recorded.label)
    check_recorded_params(experiment, [result], recorded.label)
    return experiment, result


def require_other_file(output: Path, *read: Path | None) -> None:
    """Check that an output file is none of those that the command reads.

    Raises:
        UserError: It is one, perhaps by another name.
    """
    for file in filter(None, read):
        if output.exists() and file.exists() and output.samefile(file):
            raise UserError(f"is the file that is read ({file}); name another path", str(output))


def key_and_value(text: str) -> tuple[str, str]:
    """The parts of the option `--csv KEY=VALUE`.

    Raises:
        UserError: It has no such parts.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"got '{text}', expected KEY=VALUE, such as separator=;", "--csv")
    return key.strip(), value


def resolve_workers(given: str | None, experiment: Experiment | None = None) -> Workers | None:
    """The workers that the option `--workers` names; None where it is not given.

    Args:
        given: The option.
        experiment: Says how a cluster's workers are, where only its address is given.
    """
    from branchsweep.config.sections.workers import MAX_WORKERS, LocalWorkersConfig, RayWorkersConfig

    if given is None:
        return None
    message = (
        f"got '{Address(given)}', expected a number of processes (1 to {MAX_WORKERS}), ray for a Ray cluster, or its address "
        "(ray://HOST:10001)"
    )
    if re.fullmatch("[0-9]+", given):
        try:
            return LocalWorkersConfig(kind="local", count=int(given))
        except ValueError:
            raise UserError(message, "--workers") from None
    written = experiment.workers if experiment else None
    cluster = written if isinstance(written, RayWorkersConfig) else RayWorkersConfig(kind="ray")
    if given == "ray":
        return cluster
    try:
        return RayWorkersConfig.model_validate({**cluster.model_dump(), "address": given})
    except ValueError:
        raise UserError(message, "--workers") from None


def open_session(
    console: Console,
    data: Path | None = None,
    require_real: bool = False,
    tracking_uri: Address | None = None,
    workers: Workers | None = None,
) -> Session:
    """The session of a command: its options, and the terminal that shows messages and progress."""
    from branchsweep.reporting.sweep_reporter import HtmlReporter
    from branchsweep.reporting.terminal_interface import TerminalInterface
    from branchsweep.workflows.session import Session

    began, interface = BEGAN.get() or time.perf_counter(), TerminalInterface(console)
    return Session(data, require_real, tracking_uri, workers, interface=interface, reporter=HtmlReporter, began=began)


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


def require_page_path(output: Path) -> None:
    """Check that a page can be written to a path, before work begins that takes time.

    Raises:
        UserError: The path does not end in .html, its folder does not exist, or it cannot be written there.
    """
    if output.suffix.lower() != ".html":
        raise UserError(f"got '{output}', expected a path that ends in .html", "--output")
    require_parent_folder(output)


def require_parent_folder(output: Path) -> None:
    """Check that an output file can be written, before work begins that takes time.

    Raises:
        UserError: Its folder does not exist, or it cannot be written there.
    """
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; create it, or choose another path", str(output))
    if output.is_dir():
        raise UserError("is a folder; expected the path of a file", str(output))
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise UserError("cannot be written; choose another path, or change its permissions", str(output))
