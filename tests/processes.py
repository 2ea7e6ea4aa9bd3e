"""Python processes of their own that tests start: they import what the tests import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parent


def python_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Python process that finds the modules of the tests and all that this process finds.

    Args:
        variables: Set besides.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]), **(variables or {})}


def start_python(
    code: str, *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A process that runs `code`; its input, output and errors are pipes of text."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, *arguments]
    environment = python_environment(variables)
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def run_python(
    code: str, *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A process that ran `code` to its end, whatever its exit status."""
    command = [sys.executable, "-c", code, *arguments]
    environment = python_environment(variables)
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, check=False)
