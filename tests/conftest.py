"""What all tests share: a world without network and without the user's files, and the real table where there is one."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

TABLE = "BRANCHSWEEP_TEST_TABLE"
NO_SKIPS = "BRANCHSWEEP_NO_SKIPS"
"""The environment variable under which a skipped test is a failure: CI has all that the tests need."""


@pytest.fixture(scope="session")
def real_table() -> Path:
    """The published power-plant table, as the environment variable BRANCHSWEEP_TEST_TABLE names it."""
    path = Path(os.environ.get(TABLE, ""))
    if not path.is_file():
        given = f"'{path}', which is no file" if os.environ.get(TABLE) else "nothing"
        pytest.skip(f"NOT TESTED ON THE REAL TABLE: {TABLE} must name the xlsx file, and names {given}")
    return path


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test (nor a process that it starts) finds a table of the user's, fills the user's cache or leaves the machine."""
    monkeypatch.delenv("BRANCHSWEEP_CCPP", raising=False)
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("BRANCHSWEEP_CCPP_URL", "http://127.0.0.1:9/nobody-listens-here.zip")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _without_skips(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _without_skips(report)


def _without_skips(report: Report) -> Report:
    if report.skipped and os.environ.get(NO_SKIPS) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although {NO_SKIPS} is set: {report.longreprtext or report.longrepr}"
    return report
