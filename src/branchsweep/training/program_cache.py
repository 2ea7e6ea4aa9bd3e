"""Keeps compiled programs on disk, so that a later run loads in a moment what an earlier one compiled in seconds.

TensorFlow has such a cache, behind an environment variable that it reads once. Its keys hold the names of all functions of a
program, and TensorFlow numbers functions in the order in which a process traces them; so a program would be found again only by
a process that traces the same programs in the same order. `numbered` makes the numbers a matter of the program alone.

What lies in the cache is machine code: each kind of processor and each TensorFlow has a folder of its own.
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

FLAG = "--tf_xla_persistent_cache_directory"

MOST_FILES = 100
"""Programs that stay on disk, one to three megabytes each; the longest unused go first."""

_numbers: dict[Program, Iterator[int]] = {}

_folders: list[Path] = []  # the one that this process uses, if it uses one


def use_cache_folder(folder: Path) -> None:
    """Let TensorFlow keep compiled programs below `folder`; to be called before it is imported.

    A folder that the user chose by TensorFlow's own variable is respected. Where the folder cannot be made, nothing is kept.
    """
    given = os.environ.get(FLAGS, "")
    if FLAG in given:
        return
    place = folder / "programs" / _kind_of_machine()
    try:
        place.mkdir(parents=True, exist_ok=True)
        _tidy(place)
    except OSError:
        return
    os.environ[FLAGS] = f"{given} {FLAG}={place}".strip()
    _folders[:] = [place]


def clear_cache() -> bool:
    """Throws away what is kept, for a file that cannot be read stops TensorFlow; whether there was anything."""
    files = [file for place in _folders for file in place.iterdir()]
    for file in files:
        file.unlink(missing_ok=True)
    return bool(files)


def _kind_of_machine() -> str:
    """Names the processor's abilities and TensorFlow's version."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    abilities = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    words = [platform.system(), platform.machine(), platform.processor(), version("tensorflow"), *abilities]
    return sha256("\n".join(words).encode()).hexdigest()[:16]


def _tidy(place: Path) -> None:
    """Leaves the files that were used last."""
    files = sorted(place.iterdir(), key=lambda file: file.stat().st_atime, reverse=True)
    for file in files[MOST_FILES:]:
        file.unlink(missing_ok=True)  # another process may have been faster


@contextmanager
def deterministic_names(program: Program) -> Iterator[None]:
    """Within it, TensorFlow numbers the functions that it traces from a number that derives from the program."""
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
