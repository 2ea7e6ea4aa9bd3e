"""A small disk that can be filled and freed while a command runs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.chain import Command, Workspace

MEGABYTES = 64
"""The size of a disk."""

RUN = ("run", "faults.yaml", "--workers", "1")
"""The sweep whose disk becomes full."""


@dataclass(frozen=True)
class SmallDisk:
    """A disk of its own; or a folder, and when it is full, the processes of a command may write no more to any file.

    Args:
        folder: Where it is mounted.
        is_mounted: Whether it is a disk of its own.
    """

    folder: Path
    is_mounted: bool

    def fill(self, command: Command | None = None) -> None:
        """Leave no room; `command` is the one that is running, if any."""
        if self.is_mounted:
            with suppress(OSError), self._filler.open("ab", buffering=0) as filler:
                while True:
                    filler.write(b"0" * 4096)
        elif command is not None:
            for process in [command.pid, *command.workers]:
                resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def free(self) -> None:
        """Have room again."""
        self._filler.unlink(missing_ok=True)

    @property
    def prefix(self) -> str:
        """What comes before a command in a shell, for a disk that is full from the start."""
        return "" if self.is_mounted else "ulimit -S -f 0;"

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


@contextmanager
def small_disk(folder: Path, mounted: bool = True) -> Iterator[SmallDisk]:
    """A disk for as long as the context is open.

    Args:
        folder: An empty folder, or one to be made.
        mounted: Whether to have a disk of its own where that is allowed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    may_mount = mounted and os.geteuid() == 0
    is_mounted = may_mount and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield SmallDisk(folder, is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607  # the system's


def workspace_on(disk: SmallDisk, on_disk: str, folder: Path, programs: Path, database: Path) -> Workspace:
    """A workspace that is on the disk, or of which one folder is; the cache is never."""
    workspace = Workspace.make((folder if on_disk else disk.folder) / "workspace", programs, database)
    for name in {on_disk, "" if on_disk else "cache", "" if on_disk else "temporary"} - {""}:
        place = workspace.folder / name
        kept = folder / "elsewhere" if not on_disk else disk.folder
        kept.mkdir(exist_ok=True)
        shutil.move(place, kept / name)
        place.symlink_to(kept / name)
    return workspace


def run_until_full(workspace: Workspace, disk: SmallDisk, begins: str) -> Command:
    """A sweep whose disk became full when it printed a line; it has ended, with one message unless all went well."""
    with workspace.start(*RUN) as command:
        command.wait_for_line(begins)
        disk.fill(command)
        if command.wait():
            command.require_one_message()
    disk.free()
    return command
