"""Keeps compiled programs on disk, so that a later run loads in a moment what an earlier one compiled in seconds.

A program is its functions' graphs, which `program_functions.py` writes, and their machine code, for which TensorFlow has such a
cache, behind an environment variable that it reads once. Each kind of processor and each version of TensorFlow has a folder of
its own. TensorFlow runs what it reads there, so each file has its checksum in a file beside it. Before a process uses the
folder, files whose content is not that of their checksum are deleted. So are those without one, and those that are newer than
theirs: the process that wrote them did not get so far, which is no damage.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

from branchsweep.runtime import write_file

FLAGS = "TF_XLA_FLAGS"
"""The environment variable with XLA's flags."""

FLAG = "--tf_xla_persistent_cache_directory"
"""The flag that names the folder of TensorFlow's cache."""

MACHINE_CODE, GRAPH = ".pb", ".graph"
"""How the names of files end: one to three megabytes of machine code, and a fifth of a megabyte of graph."""

MOST_FILES = 200
"""The most files of programs on disk; those unused for longest are deleted first."""

_folders: list[Path] = []  # the one that this process uses, if it uses one

_CHECKSUM = ".crc32"
"""The ending of the file with a program's checksum, which is enough against damage: who may write here may run code anyway."""


def use_cache_folder(folder: Path) -> None:
    """Let TensorFlow keep compiled programs below `folder`; to be called before TensorFlow is imported.

    Does nothing if `TF_XLA_FLAGS` names a folder already, or if the folder cannot be made.
    """
    user_flags = os.environ.get(FLAGS, "")
    if FLAG in user_flags:
        return
    programs = _programs_folder(folder)
    try:
        programs.mkdir(parents=True, exist_ok=True)
        _delete_oldest(programs)
    except OSError:
        return
    os.environ[FLAGS] = f"{user_flags} {FLAG}={programs}".strip()
    _folders[:] = [programs]


def used_folder() -> Path | None:
    """The folder that this process uses; None if it uses none."""
    return _folders[0] if _folders else None


def read(file: Path) -> bytes | None:
    """The content of a file of the folder; None if there is none, or it cannot be read."""
    with suppress(OSError):
        return file.read_bytes()
    return None


def write(file: Path, content: bytes) -> None:
    """Write a file of the folder, in a context of `recorded_checksums`; without room for it there is none."""
    with suppress(OSError):
        write_file(file, content)  # so that no other process reads a part of it


@contextmanager
def recorded_checksums() -> Iterator[None]:
    """In this context a program may be compiled; at its end the new files get their checksums.

    Two processes may compile the same program at the same time: then the second one writes the file again, with other bytes.
    """
    yield
    for folder in _folders:
        with suppress(OSError):  # a full disk: the next process deletes what has no checksum
            for file in _programs(folder):
                if not _is_recorded(file):
                    write_file(_checksum_file(file), _checksum(file))


def _programs_folder(folder: Path) -> Path:
    return folder / "programs" / _machine_digest()


def _programs(folder: Path) -> list[Path]:
    """The files of programs in a folder: machine code and graphs."""
    return [file for file in folder.iterdir() if file.suffix in (MACHINE_CODE, GRAPH)]


def _checksum_file(program: Path) -> Path:
    return program.with_name(program.name + _CHECKSUM)


def _is_recorded(program: Path) -> bool:
    """Whether there is a checksum that was written after the program."""
    checksum = _checksum_file(program)
    return checksum.exists() and checksum.stat().st_mtime_ns > program.stat().st_mtime_ns


def _checksum(program: Path) -> str:
    return f"{crc32(program.read_bytes()):08x}"


def delete_damaged_programs(folder: Path) -> int:
    """Delete the programs below `folder` that are damaged, and those without a checksum of their own: they are compiled again.

    To be called once, before the processes that use them are started.

    Returns:
        How many files were damaged.
    """
    damaged = 0
    with suppress(OSError):  # no such folder, or it cannot be used: see `use_cache_folder`
        for program in _programs(_programs_folder(folder)):
            recorded = _checksum_file(program)
            if not recorded.exists() or recorded.read_text(encoding="ascii", errors="replace") != _checksum(program):
                damaged += _is_recorded(program)  # else it was written again, by a process that was stopped before its checksum
                _delete(program)
    return damaged


def _delete(program: Path) -> None:
    """Delete a program and its checksum; another process may have done so."""
    program.unlink(missing_ok=True)
    _checksum_file(program).unlink(missing_ok=True)


def _machine_digest() -> str:
    """A digest of the processor's instruction sets and of TensorFlow's version."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    features = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    facts = [platform.system(), platform.machine(), platform.processor(), version("tensorflow"), *features]
    return sha256("\n".join(facts).encode()).hexdigest()[:16]


def _delete_oldest(folder: Path) -> None:
    """Delete all but the `MOST_FILES` programs that were used last."""
    programs = sorted(_programs(folder), key=lambda file: file.stat().st_atime, reverse=True)
    for program in programs[MOST_FILES:]:
        _delete(program)
