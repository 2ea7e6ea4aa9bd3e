"""Where everything must be tested, a skipped test is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import python_environment

TESTS = {
    "a test": "import pytest\n\ndef test(): pytest.skip('no table')\n",
    "a marked test": "import pytest\n\n@pytest.mark.skip(reason='no table')\ndef test(): pass\n",
    "a module": "import pytest\n\npytest.importorskip('no_such_library', reason='no table')\n",
}


def outcome(folder: Path, text: str, no_skips: str) -> subprocess.CompletedProcess[str]:
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
def test_a_skip_fails_where_it_must_not_be(tmp_path: Path, text: str) -> None:
    done = outcome(tmp_path, text, no_skips="1")
    assert done.returncode not in (0, 5), done.stdout
    assert "skipped although BRANCHSWEEP_NO_SKIPS is set" in done.stdout
    assert "no table" in done.stdout


@pytest.mark.parametrize("text", TESTS.values(), ids=TESTS)
def test_elsewhere_it_is_a_skip(tmp_path: Path, text: str) -> None:
    done = outcome(tmp_path, text, no_skips="")
    assert "1 skipped" in done.stdout


def test_an_expected_failure_is_none(tmp_path: Path) -> None:
    done = outcome(tmp_path, "import pytest\n\n@pytest.mark.xfail\ndef test(): assert False\n", no_skips="1")
    assert done.returncode == 0, done.stdout
