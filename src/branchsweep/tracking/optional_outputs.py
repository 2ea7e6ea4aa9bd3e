"""Outputs on which no result depends: figures, HTML pages, descriptions, prepared views of MLflow.

Where one of them cannot be made, or the store does not keep it, a message says which, why, and how to make it again; the sweep
or the comparison finishes with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from branchsweep.errors import FilesRefusedError, UserError, first_line

Value = TypeVar("Value")

Files = Mapping[str, str | bytes]
"""Contents by file name."""

NO_FILES: Files = {}


@dataclass(frozen=True, slots=True)
class OptionalOutputs:
    """Makes and keeps what no result depends on.

    Args:
        on_message: Called with a sentence about each output that is missing.
        remedy: How to make it again, as the end of that sentence; empty where nothing helps.
    """

    on_message: Callable[[str], None]
    remedy: str = ""

    def make(self, what: str, function: Callable[[], Value], instead: Value) -> Value:
        """What a function makes.

        Args:
            what: The output, as the subject of a sentence.
            function: Makes it. It may fail in any way, for it calls libraries that draw.
            instead: Returned where it fails.
        """
        try:
            return function()
        except Exception as error:  # noqa: BLE001  # a picture that cannot be drawn must not cost a sweep its end
            self.on_message(f"warning: {what} could not be made ({_reason(error)}){self._remedy()}")
            return instead

    def keep(self, files: Files, store: Callable[[Files], None]) -> list[str]:
        """Keep files: all at once, or where the store refuses that, each by itself.

        Args:
            files: The files.
            store: Keeps some of them, or raises `FilesRefusedError`.

        Returns:
            The names of those that are kept.
        """
        try:
            store(files)
        except FilesRefusedError as refused:
            if len(files) == 1:
                (name,) = files
                self.on_message(f"warning: {name} is not kept ({refused}){self._remedy()}")
                return []
            return [kept for name, content in files.items() for kept in self.keep({name: content}, store)]
        return list(files)

    def _remedy(self) -> str:
        return f"; {self.remedy}" if self.remedy else ""


def _ignore(_message: str) -> None:
    pass


def remedy(run_id: str) -> str:
    """How the report of a sweep is made again."""
    return f"branchsweep report {run_id[:8]} makes it again"


SILENT = OptionalOutputs(_ignore)
"""Says nothing about what is missing."""


def _reason(error: Exception) -> str:
    """The first line of an exception's message, with its kind unless it is a message to the user."""
    line = first_line(error)
    return line if isinstance(error, UserError) else f"{type(error).__name__}: {line}"
