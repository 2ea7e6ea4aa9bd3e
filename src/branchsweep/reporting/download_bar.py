"""The progress bar of a download."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class DownloadBar:
    """A progress bar that appears with the first received byte, so that a cached table shows none.

    Args:
        console: Where to draw it.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("downloading the table"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __call__(self, received: int, total: int) -> None:
        """Update the bar.

        Args:
            received: Bytes received so far.
            total: Bytes in total; 0 if unknown.
        """
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=total or None)
        self._progress.update(self._task, completed=received)

    def close(self) -> None:
        """Remove the bar, if it is shown."""
        if self._task is not None:
            self._progress.stop()
