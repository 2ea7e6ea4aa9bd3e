"""The session of a call in Python: where rows, store and workers are, and how progress is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from branchsweep.api.arguments import check_table, checked_workers
from branchsweep.config.addresses import Address
from branchsweep.config.sections.workers import Workers
from branchsweep.data.loading import TableData
from branchsweep.errors import UserError
from branchsweep.reporting.notebook_interface import user_interface
from branchsweep.reporting.sweep_reporter import HtmlReporter
from branchsweep.reporting.terminal_interface import TerminalInterface
from branchsweep.workflows.callbacks import Callback
from branchsweep.workflows.session import Session


@dataclass(frozen=True, slots=True)
class Call:
    """What the functions that train are given beside an experiment.

    Args:
        data: The path of a table, or a DataFrame; the experiment's table if None.
        tracking_uri: URI of the MLflow store; the default one if None.
        workers: Number of worker processes, or workers as an experiment describes them; the experiment's if None.
        fresh: Whether to start again what is recorded.
        verbose: Whether to show messages and progress.
        callbacks: Are called while a search runs.
    """

    data: str | TableData | None = None
    tracking_uri: str | None = None
    workers: int | Workers | None = None
    fresh: bool = False
    verbose: bool = True
    callbacks: Sequence[Callback] = ()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The session of this call; Ctrl-C in it leaves what the same call resumes, and says so.

        Raises:
            UserError: An argument is of the wrong kind.
        """
        data, workers = self.data, checked_workers(self.workers)
        if data is not None:
            check_table(data)
        _check_callbacks(self.callbacks)
        interface = user_interface() if self.verbose else TerminalInterface.silent()
        try:
            yield Session(
                data=Path(data).expanduser() if isinstance(data, (str, Path)) else data,
                tracking_uri=address(self.tracking_uri),
                workers=workers,
                fresh=self.fresh,
                interface=interface,
                reporter=HtmlReporter,
                callbacks=tuple(self.callbacks),
            )
        except KeyboardInterrupt:
            interface.message("stopped. What has finished is recorded: the same call resumes it", "warning")
            raise


def _check_callbacks(callbacks: object) -> None:
    """Raise UserError where these are no instances of `Callback` in a list or the like."""
    given = tuple(callbacks) if isinstance(callbacks, Iterable) else (callbacks,)
    for callback in given:
        if not isinstance(callback, Callback) or callbacks is callback:
            name = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            raise UserError(
                f"got {name}, expected a list of instances of branchsweep.Callback: callbacks=[MyCallback()]", "callbacks"
            )


def address(tracking_uri: object) -> Address | None:
    """The address of a store that a user gives as text.

    Raises:
        UserError: It is no text.
    """
    if not (tracking_uri is None or isinstance(tracking_uri, str)):
        message = f"got tracking_uri of type {type(tracking_uri).__name__}, expected a text such as sqlite:///mlflow.db"
        raise UserError(message, "tracking_uri")
    return None if tracking_uri is None else Address(tracking_uri)
