"""How the processes of this machine get the training rows: those of a large table are in a file that all of them map.

So they are in memory once, however many processes there are, and are not sent to each through a pipe.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from branchsweep.data.training_rows import TrainingRows
from branchsweep.runtime import temporary_folder

LARGE_BYTES = 1 << 26
"""The bytes of inputs and targets from which on a file is worth it."""


class SharedRows:
    """The rows that processes train on now, in a temporary folder if they are large.

    It is closed when no process is going to start any more: `close` deletes the folder. Processes keep what they have mapped.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._opened = ExitStack()
        self._handed_over: TrainingRows | Path | None = None
        self._count = 0

    @property
    def handed_over(self) -> TrainingRows | Path | None:
        """What `read_rows` takes: the rows, or the file that they are in; None before there are any."""
        return self._handed_over

    def replace(self, rows: TrainingRows) -> TrainingRows | Path:
        """Share other rows from now on.

        Args:
            rows: The rows.

        Returns:
            What `read_rows` takes; the rows themselves also where the disk has no room for a file.
        """
        before, self._handed_over = self._handed_over, rows
        if rows.x.nbytes + rows.y.nbytes >= LARGE_BYTES:
            with suppress(OSError):
                self._handed_over = self._written(rows)
        if isinstance(before, Path):
            _delete(before)
        return self._handed_over

    def _written(self, rows: TrainingRows) -> Path:
        import joblib  # noqa: PLC0415  # small tables do without

        # such a folder is deleted by the next process if this one is killed
        self._folder = self._folder or self._opened.enter_context(temporary_folder())
        self._count += 1
        path = self._folder / f"rows-{self._count}"
        try:
            joblib.dump(rows, path)
        except BaseException:  # a full disk, an interrupt: part of a file would take room for as long as processes train
            _delete(path)
            raise
        return path

    def close(self) -> None:
        """Delete what was written."""
        self._opened.close()
        self._folder = self._handed_over = None


def _delete(path: Path) -> None:
    with suppress(OSError):  # on Windows a file that is mapped stays until its folder is deleted
        path.unlink(missing_ok=True)


def read_rows(handed_over: TrainingRows | Path) -> TrainingRows:
    """The rows that another process has handed over. Arrays that come from a file cannot be written to."""
    if isinstance(handed_over, TrainingRows):
        return handed_over
    import joblib  # noqa: PLC0415  # as above

    rows: TrainingRows = joblib.load(handed_over, mmap_mode="r")
    return rows
