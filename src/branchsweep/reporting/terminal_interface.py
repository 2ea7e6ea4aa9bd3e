"""Shows the messages and the progress of workflows in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.workflows.progress import ProgressCallback
    from branchsweep.workflows.session import DownloadProgress

STYLES = {"warning": "yellow", "alarm": "bold yellow"}
"""How messages of these styles are printed."""


@dataclass(frozen=True, slots=True)
class TerminalInterface:
    """A `workflows.session.UserInterface` on a terminal.

    Args:
        console: Of standard error, so that standard output holds results alone.
    """

    console: Console

    @classmethod
    def on_stderr(cls) -> TerminalInterface:
        """The interface on standard error."""
        return cls(LiteralConsole(stderr=True))

    @classmethod
    def silent(cls) -> TerminalInterface:
        """The interface that shows nothing, and knows the progress all the same."""
        return cls(LiteralConsole(file=io.StringIO(), quiet=True))

    def message(self, text: str, style: str = "") -> None:
        """Print a message on a line of its own."""
        self.console.print(Text(text), style=STYLES.get(style, ""), highlight=False, soft_wrap=True)

    def progress(self) -> AbstractContextManager[ProgressCallback]:
        """The live display of a workflow's progress."""
        from branchsweep.reporting.terminal import Terminal  # noqa: PLC0415  # only what trains has progress

        return Terminal(self.console)

    @contextmanager
    def download(self) -> Iterator[DownloadProgress]:
        """The progress bar of a download."""
        from branchsweep.reporting.download_bar import DownloadBar  # noqa: PLC0415  # most tables need no download

        bar = DownloadBar(self.console)
        try:
            yield bar
        finally:
            bar.close()
