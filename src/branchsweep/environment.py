"""Where we are: versions of libraries, the working directory's commit, the machine, and the user's folder for caches."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

from branchsweep import __version__
from branchsweep.workshop import Device

LIBRARIES = ("tensorflow", "keras", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


DEVICE = "device"
"""The fact that says what networks are trained on."""


def facts() -> Mapping[str, str]:
    """Names and values, as a ledger tags them: `version_tensorflow`, `version_python`, `git_commit`, …"""
    found = {"version": __version__, "version_python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[f"version_{library}"] = version(library)
        except PackageNotFoundError:  # an engine that this installation does without
            continue
    commit = git_commit()
    return {**found, "git_commit": commit} if commit else found


def trained_on(device: Device) -> Mapping[str, str]:
    """What networks are trained on, as a further fact: `processor`, or the name of a GPU."""
    return {DEVICE: device.name or str(device)}


def machine() -> Mapping[str, str | int]:
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
