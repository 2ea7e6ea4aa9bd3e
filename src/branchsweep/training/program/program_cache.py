"""Keeps compiled programs on disk, so that a later run loads in a moment what an earlier one compiled in seconds.

TensorFlow has such a cache, behind an environment variable that it reads once. Its keys hold the names of all functions of a
program, and TensorFlow numbers functions in the order in which a process traces them; so a program would be found again only by
a process that traces the same programs in the same order. `deterministic_names` derives the numbers from the program alone.

The cache contains machine code: each kind of processor and each version of TensorFlow has a folder of its own.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from itertools import count
from pathlib import Path

from branchsweep.training.population import Program

FLAGS = "TF_XLA_FLAGS"
"""The environment variable with XLA's flags."""

FLAG = "--tf_xla_persistent_cache_directory"
"""The flag that names the folder of TensorFlow's cache."""

MOST_FILES = 100
"""The most compiled programs on disk, one to three megabytes each; those unused for longest are deleted first."""

_numbers: dict[Program, Iterator[int]] = {}  # the next function numbers of each program

_folders: list[Path] = []  # the one that this process uses, if it uses one


def use_cache_folder(folder: Path) -> None:
    """Let TensorFlow keep compiled programs below `folder`; to be called before TensorFlow is imported.

    Does nothing if `TF_XLA_FLAGS` names a folder already, or if the folder cannot be made.
    """
    user_flags = os.environ.get(FLAGS, "")
    if FLAG in user_flags:
        return
    programs = folder / "programs" / _machine_digest()
    try:
        programs.mkdir(parents=True, exist_ok=True)
        _delete_oldest(programs)
    except OSError:
        return
    os.environ[FLAGS] = f"{user_flags} {FLAG}={programs}".strip()
    _folders[:] = [programs]


def clear_cache() -> bool:
    """Delete the cached programs of this process's folder, as TensorFlow fails on an unreadable file.

    Returns:
        Whether there were any.
    """
    files = [file for folder in _folders for file in folder.iterdir()]
    for file in files:
        file.unlink(missing_ok=True)
    return bool(files)


def _machine_digest() -> str:
    """A digest of the processor's instruction sets and of TensorFlow's version."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    features = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    facts = [platform.system(), platform.machine(), platform.processor(), version("tensorflow"), *features]
    return sha256("\n".join(facts).encode()).hexdigest()[:16]


def _delete_oldest(folder: Path) -> None:
    """Delete all but the `MOST_FILES` files that were used last."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_atime, reverse=True)
    for file in files[MOST_FILES:]:
        file.unlink(missing_ok=True)  # another process may have deleted it


@contextmanager
def deterministic_names(program: Program) -> Iterator[None]:
    """In this context, TensorFlow numbers the functions that it traces from a number that derives from the program."""
    from tensorflow.python.framework import ops  # noqa: PLC0415  # private: its minor version is pinned, and a test watches

    if program not in _numbers:
        _numbers[program] = count(int.from_bytes(sha256(repr(program).encode()).digest()[:6]))
    ops.get_default_graph()  # is made, and numbered, where it is first asked for: not among the first program's functions
    uid, numbers = ops.uid, _numbers[program]
    ops.uid = lambda: next(numbers)
    try:
        yield
    finally:
        ops.uid = uid
