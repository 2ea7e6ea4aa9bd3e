"""Keeps TensorFlow's first words off the screen."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

from branchsweep import __version__


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Within it, nothing reaches standard error, not even from C++.

    TensorFlow speaks of CUDA and oneDNN while it is imported and when it first looks for devices, before any of its settings
    can silence it. Only imports belong inside: an exception still passes, but what a library prints is lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes files as their names say, which may hold folders; texts as UTF-8.

    Raises:
        OSError: One of them cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


DEVICE_TAG = "device"
"""The environment fact that names the device that networks are trained on."""

LIBRARIES = ("tensorflow", "keras", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


def environment_facts() -> Mapping[str, str]:
    """Names and values, as a ledger tags them: `version_tensorflow`, `version_python`, `git_commit`, …"""
    found = {"version": __version__, "version_python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[f"version_{library}"] = version(library)
        except PackageNotFoundError:  # an engine that this installation does without
            continue
    commit = git_commit()
    return {**found, "git_commit": commit} if commit else found


def machine_facts() -> Mapping[str, str | int]:
    """What it runs on: the system, the processor's kind, and the cores that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": len(allowed)}


def git_commit() -> str:
    """The commit that the working directory's repository is at, or nothing."""
    try:
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S607  # git where the user has it
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def cache_folder() -> Path:
    """Where what can be had again is kept: the folder BRANCHSWEEP_CACHE names, or the system's place for a user's caches."""
    return Path(os.environ.get("BRANCHSWEEP_CACHE") or platformdirs.user_cache_dir("branchsweep")).expanduser()
