"""Keeps compiled programs on disk, so that a later run loads in a moment what an earlier one compiled in seconds.

TensorFlow has such a cache, behind an environment variable that it reads once. Its keys hold the names of all functions of a
program, and TensorFlow numbers functions in the order in which a process traces them; so a program would be found again only by
a process that traces the same programs in the same order. `deterministic_names` derives the numbers from the program alone.

The cache contains machine code: each kind of processor and each version of TensorFlow has a folder of its own. TensorFlow runs
what it reads there, so each file has its checksum in a file beside it. Before a process uses the folder, files whose content is
not that of their checksum are deleted. So are those without one, and those that are newer than theirs: the process that wrote
them did not get so far, which is no damage.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from itertools import count
from pathlib import Path
from zlib import crc32

from branchsweep.training.population import Program

FLAGS = "TF_XLA_FLAGS"
"""The environment variable with XLA's flags."""

FLAG = "--tf_xla_persistent_cache_directory"
"""The flag that names the folder of TensorFlow's cache."""

MOST_FILES = 100
"""The most compiled programs on disk, one to three megabytes each; those unused for longest are deleted first."""

_numbers: dict[Program, Iterator[int]] = {}  # the next function numbers of each program

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
                    draft = file.with_name(f"{file.name}.{os.getpid()}{_CHECKSUM}")  # no other process may read a part of it
                    draft.write_text(_checksum(file), encoding="ascii")
                    draft.replace(_checksum_file(file))


def _programs_folder(folder: Path) -> Path:
    return folder / "programs" / _machine_digest()


def _programs(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix == ".pb"]


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
        How many were damaged.
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


@contextmanager
def deterministic_names(program: Program) -> Iterator[None]:
    """In this context, TensorFlow numbers the functions that it traces from a number that derives from the program."""
    from tensorflow.python.framework import ops  # noqa: PLC0415  # private: its minor version is pinned, and a test watches

    if program not in _numbers:
        # A program that uses none of these has the name that it had before there were any.
        used = [*["weighted"] * program.weighted, *["reads heads"] * program.reads_heads, *program.options]
        text = ", ".join([repr(program), *used])
        _numbers[program] = count(int.from_bytes(sha256(text.encode()).digest()[:6]))
    ops.get_default_graph()  # is made, and numbered, where it is first asked for: not among the first program's functions
    uid, numbers = ops.uid, _numbers[program]
    ops.uid = lambda: next(numbers)
    try:
        yield
    finally:
        ops.uid = uid
