"""How a command ends that cannot go on: one message on standard error, and exit code 2.

A `UserError` says itself what to correct. What the operating system refuses (`OSError`) may come from anywhere: a full disk, a
folder that is gone, a limit of the process. It is reported here, with what helps.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text

from branchsweep.cli.context import print_notes
from branchsweep.errors import EXIT_CODE, ConfigError, UserError, escape_controls, printable, remedy


@contextmanager
def ends_with_one_message(console: Console) -> Iterator[None]:
    """Context in which what a user can mend ends the process with one message on standard error, and exit code 2."""
    try:
        yield
    except UserError as error:
        _end(error, str(error) if isinstance(error, ConfigError) else escape_controls(str(error)), console)
    except OSError as error:
        _end(error, escape_controls(os_error_message(error)), console)


def os_error_message(error: OSError) -> str:
    """What the operating system refused, where, and what helps, in one line."""
    if _is_working_folder_gone():
        return "the working directory was deleted: change to another one (cd)"
    if error.errno is None:
        return " ".join(str(error).split())
    if error.errno == errno.ENOENT and "temporary directory" in str(error):
        return "there is no folder for temporary files that can be written to: name one in the environment variable TMPDIR"
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    where = f"{' -> '.join(names)}: " if names else ""
    helps = remedy(error.errno, "choose another path")
    return f"{where}{error.strerror or error}{f'; {helps}' if helps else ''}"


def _end(error: BaseException, message: str, console: Console) -> None:
    _discard_output()
    with suppress(OSError, ValueError):  # standard error takes nothing either
        console.print(Text.assemble(("error:", "bold red"), f" {printable(message)}"), highlight=False, soft_wrap=True)
        print_notes(error, console)
    sys.exit(EXIT_CODE)


def _discard_output() -> None:
    """Write what is still buffered, or discard it where that fails: Python would try again, and fail, when the process ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def _is_working_folder_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  # Path.cwd() is the same
    except FileNotFoundError:
        return True
    return False
