"""Where everything must be tested, a skipped test is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from processes import python_environment

REASON = "no table"

TESTS = {
    "test_skipped.py": f"import pytest\n\ndef test(): pytest.skip({REASON!r})\n",
    "test_marked.py": f"import pytest\n\n@pytest.mark.skip(reason={REASON!r})\ndef test(): pass\n",
    "test_module.py": f"import pytest\n\npytest.importorskip('no_such_library', reason={REASON!r})\n",
    "test_expected.py": "import pytest\n\n@pytest.mark.xfail\ndef test(): assert False\n",
}
"""A test that is skipped, one that is marked, a module that is skipped, and a failure that is expected."""


def run_pytest(folder: Path, no_skips: str) -> tuple[int, str]:
    """The exit code and the output of pytest, which runs all of `TESTS`."""
    for name, text in TESTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    options = ["-p", "conftest", "-p", "no:cacheprovider", "--rootdir", str(folder), "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        env=python_environment({"BRANCHSWEEP_NO_SKIPS": no_skips}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_skipped_tests_fail_with_their_reason_if_skips_are_forbidden(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, no_skips="1")
    assert code == 1, output
    assert "1 failed, 1 xfailed, 2 errors" in output, "an expected failure is no skip"
    reasons = [line for line in output.splitlines() if line.startswith("skipped although BRANCHSWEEP_NO_SKIPS is set")]
    named = [name for name in TESTS if any(name in line and REASON in line for line in reasons)]
    assert named == ["test_skipped.py", "test_marked.py", "test_module.py"]


def test_skipped_tests_are_reported_as_skipped_otherwise(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, no_skips="")
    assert code == 0, output
    assert "3 skipped, 1 xfailed" in output
