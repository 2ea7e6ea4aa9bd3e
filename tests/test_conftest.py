"""Where everything must be tested, a skipped test is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import python_environment

REASON = "no table"

TESTS = {
    "a test": f"import pytest\n\ndef test(): pytest.skip({REASON!r})\n",
    "a marked test": f"import pytest\n\n@pytest.mark.skip(reason={REASON!r})\ndef test(): pass\n",
    "a module": f"import pytest\n\npytest.importorskip('no_such_library', reason={REASON!r})\n",
}


def run_pytest(folder: Path, text: str, no_skips: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    environment = python_environment({"BRANCHSWEEP_NO_SKIPS": no_skips})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", TESTS.values(), ids=TESTS)
def test_a_skipped_test_fails_with_its_reason_if_skips_are_forbidden(tmp_path: Path, text: str) -> None:
    done = run_pytest(tmp_path, text, no_skips="1")
    assert done.returncode not in (0, 5), done.stdout
    assert "BRANCHSWEEP_NO_SKIPS" in done.stdout
    assert REASON in done.stdout


@pytest.mark.parametrize("text", TESTS.values(), ids=TESTS)
def test_a_skipped_test_is_reported_as_skipped_otherwise(tmp_path: Path, text: str) -> None:
    done = run_pytest(tmp_path, text, no_skips="")
    assert "1 skipped" in done.stdout


def test_an_expected_failure_passes_if_skips_are_forbidden(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "import pytest\n\n@pytest.mark.xfail\ndef test(): assert False\n", no_skips="1")
    assert done.returncode == 0, done.stdout
