"""The progress bar of a download."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class DownloadBar:
    """A bar for a download; plays the data reader's progress. Made at the first byte, so that nothing shows without one."""

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
        """So many bytes have come, of so many (0: unknown)."""
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=total or None)
        self._progress.update(self._task, completed=received)

    def close(self) -> None:
        """Takes the bar away, if there was one."""
        if self._task is not None:
            self._progress.stop()
