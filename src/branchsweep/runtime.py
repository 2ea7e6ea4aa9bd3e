"""The process and the machine that the package runs on: its standard error, its files, and facts about its environment."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Context in which nothing is written to standard error, not even by C++ code.

    TensorFlow logs about CUDA and oneDNN while it is imported and when it first looks for devices, before any of its settings
    can prevent it. Use it around imports only: exceptions are raised, but what a library prints is lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files into a folder.

    Args:
        folder: The folder, which is made if it is not there.
        files: The contents by file name, which may begin with folders; texts are written as UTF-8.

    Raises:
        OSError: One of them cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


DEVICE = "device"
"""The name of the environment fact about the device that networks are trained on."""

VERSION = version("branchsweep")
"""Of this package, as it is installed."""

LIBRARIES = ("tensorflow", "keras", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


def environment_facts() -> Mapping[str, str]:
    """Versions of the package, of Python and of libraries, and the commit, by name (`version_keras`, `git_commit`)."""
    facts = {"version": VERSION, "version_python": platform.python_version()}
    for library in LIBRARIES:
        try:
            facts[f"version_{library}"] = version(library)
        except PackageNotFoundError:  # a library that is not installed
            continue
    commit = git_commit()
    return {**facts, "git_commit": commit} if commit else facts


def is_environment_fact(name: str) -> bool:
    """Whether this is the name of a version, of the commit, or of the device."""
    return name.startswith("version") or name in {"git_commit", DEVICE}


def machine_facts() -> Mapping[str, str | int]:
    """The operating system, the kind of processor, and the number of cores that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": len(allowed)}


def git_commit() -> str:
    """The commit of the working directory's Git repository; empty if there is none."""
    try:
        process = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S607  # git where the user has it
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def cache_folder() -> Path:
    """The folder of files that can be made again: that of the environment variable BRANCHSWEEP_CACHE, or the user's cache."""
    return Path(os.environ.get("BRANCHSWEEP_CACHE") or platformdirs.user_cache_dir("branchsweep")).expanduser()
