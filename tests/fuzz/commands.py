"""Runs commands in this process and judges how they end, and repeats property tests for as long as is wanted."""

from __future__ import annotations

import io
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from branchsweep.cli import main

SECONDS = float(os.environ.get("BRANCHSWEEP_FUZZ_SECONDS", "0"))
"""How long each property is tried on new examples; 0 for the same few examples in every run."""

LONGEST_SILENCE = 10.0
"""Seconds of this process within which a command must have ended."""

CODES = (0, 1, 2)
"""The exit codes of commands: done, done without a result, a mistake of the user."""


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Args:
        code: The exit code.
        out: What was written to standard output.
        err: What was written to standard error.
    """

    code: int
    out: str
    err: str


def run_command(folder: Path, *arguments: str, written: Sequence[str] = (), codes: Sequence[int] = CODES) -> Ending:
    """Run a command in a folder, which must end as it should.

    Args:
        folder: The working directory.
        arguments: Of the command.
        written: Patterns of files that it may write.
        codes: The exit codes that it may have.

    Raises:
        AssertionError: It took too long, ended with another exit code or without a message, or left a file.
    """
    before = _files(folder, written)
    out, err = io.StringIO(), io.StringIO()
    started = time.process_time()
    with (
        tempfile.TemporaryDirectory() as temporary,  # of its own, as other tests run at the same time
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.chdir(folder)
        patch.setattr(tempfile, "tempdir", temporary)
        patch.setattr(sys, "argv", ["branchsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        left = list(Path(temporary).iterdir())
    code = ended.value.code or 0
    assert time.process_time() - started < LONGEST_SILENCE, "the command was silent for too long"
    assert code in codes, f"exit code {code}"
    assert code != 2 or "error: " in err.getvalue(), err.getvalue()
    assert len(err.getvalue()) < 100_000, "a message without end"
    assert _files(folder, written) == before, "a file was left behind"
    assert left == [], "a temporary file was left behind"
    return Ending(int(code), out.getvalue(), err.getvalue())


def try_examples(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Try a property on the same examples as ever, or on new ones until the time is over.

    Args:
        strategy: Of the examples.
        check: Raises where the property does not hold.
        examples: The number of examples where no time is given, and of a batch otherwise.
    """
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    end = time.monotonic() + SECONDS
    while True:
        test = given(strategy)(check)
        test = settings(
            max_examples=examples, deadline=None, database=None, derandomize=not SECONDS, suppress_health_check=slow
        )(test)
        if SECONDS:
            test = seed(secrets.randbits(64))(test)
        test()
        if time.monotonic() >= end:
            return


def _files(folder: Path, ignored: Sequence[str] = ()) -> dict[str, int]:
    """The sizes of all files in a folder, by their paths in it."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        str(name): path.stat().st_size
        for name, path in files.items()
        if not any(fnmatch(str(name), pattern) for pattern in ignored)
    }
