"""Standard output, where the results of commands go. What cannot be written ends in one message, whoever wrote it.

Rich and typer each end the process themselves where standard output is a pipe that nobody reads any more, without a word.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from branchsweep.errors import CONTROL, UserError
from branchsweep.reporting.text.literal_console import LiteralConsole

NAME = "standard output"


class OutputConsole(LiteralConsole):
    """A console that prints tables and drawings to standard output."""

    def on_broken_pipe(self) -> NoReturn:
        """Report that standard output was closed.

        Raises:
            UserError: Always.
        """
        raise UserError("it was closed before all was written", NAME)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print.

        Raises:
            UserError: Standard output takes no more.
        """
        with output_errors():
            super().print(*objects, **options)


def print_json(text: str) -> None:
    """Print JSON, with its own escapes for control characters that it may have in texts."""
    escaped = CONTROL.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
    if sys.stdout is not None:  # closed before the process began
        with output_errors():
            sys.stdout.write(f"{escaped}\n")
            sys.stdout.flush()


def flush_output() -> None:
    """Write what is still buffered, which Python would do when the process ends, after all errors are shown.

    Raises:
        UserError: Standard output takes no more.
    """
    if sys.stdout is not None:
        with output_errors():
            sys.stdout.flush()


@contextmanager
def output_errors() -> Iterator[None]:
    """Context in which an error of writing is one of standard output.

    Raises:
        UserError: Standard output takes no more.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise UserError("it was closed before all was written", NAME) from error
    except OSError as error:
        raise UserError(f"not all was written ({error.strerror or error})", NAME) from error
