"""Fixtures that all tests share: an environment without network and user files, stores, servers, and the real table."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

from branchsweep.config.addresses import Address
from ray_cluster import RAY_IS_MISSING, RayCluster, cluster
from servers import PASSWORDS, SharedServer, free_port, postgresql, running_server

pytest.register_assert_rewrite("contracts")  # what fails in a contract is shown with its values

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
"""Tests that compare to the last bit compute on processors, also in this process."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

TABLE = "BRANCHSWEEP_TEST_TABLE"
NO_SKIPS = "BRANCHSWEEP_NO_SKIPS"
"""The environment variable under which a skipped test is a failure: CI has all that the tests need."""


LONG_ONES = ("end_to_end", "training", "test_api.py", "tracking")
"""Files and folders of the tests that take longest. Several processes share the files of tests in this order (pytest-xdist with
`--no-loadscope-reorder`), so that none of them works alone on a long file at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take longest first."""
    tests = Path(__file__).parent

    def position(item: pytest.Item) -> int:
        top = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        return LONG_ONES.index(top) if top in LONG_ONES else len(LONG_ONES)

    items.sort(key=position)


@pytest.fixture(scope="session", autouse=True)
def _default_sigint_handler() -> None:
    """Commands react to Ctrl-C as in a terminal, also where tests run in the background of a shell, which ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_table() -> Path:
    """The published power-plant table, as the environment variable BRANCHSWEEP_TEST_TABLE names it."""
    path = Path(os.environ.get(TABLE, ""))
    if not path.is_file():
        given = f"'{path}', which is no file" if os.environ.get(TABLE) else "nothing"
        pytest.skip(f"NOT TESTED ON THE REAL TABLE: {TABLE} must name the xlsx file, and names {given}")
    return path


def program_path(name: str, reason: str) -> str:
    """The path of a program that pip does not install; without it, tests that need it are skipped with a message."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def graphviz_program() -> str:
    """The path of Graphviz's `dot`."""
    return program_path("dot", "NO PICTURE WAS DRAWN: Graphviz's program dot is not there (apt install graphviz)")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    return program_path("chromium", "NOT LOOKED AT IN A BROWSER: there is no chromium (on Debian: apt install chromium)")


@pytest.fixture(scope="session")
def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs, which pip does not install; on Debian it is not on the PATH."""
    needed = ("initdb", "postgres", "pg_isready", "createdb", "pg_dump")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    found = [folder for folder in folders if all((folder / program).is_file() for program in needed)]
    if not found:
        pytest.skip("NO SERVER WAS SHARED: PostgreSQL's programs are not there (apt install postgresql)")
    return found[0]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of compiled programs that all processes of the session share, those of pytest-xdist too."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("programs")
    shared = tmp_path_factory.getbasetemp().parent / "programs"
    shared.mkdir(exist_ok=True)
    return shared


def _isolate(monkeypatch: pytest.MonkeyPatch, cache: Path, programs: Path) -> None:
    """Set the environment variables under which no file of the user is found and no address outside is contacted."""
    monkeypatch.delenv("BRANCHSWEEP_CCPP", raising=False)
    (cache / "programs").symlink_to(programs)
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(cache))
    monkeypatch.setenv("BRANCHSWEEP_CCPP_URL", "http://127.0.0.1:9/nobody-listens-here.zip")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Generator[None]:
    """The environment of fixtures that several tests share, which are set up before `isolated_environment`."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _isolate(monkeypatch, tmp_path_factory.mktemp("cache"), programs)
        yield


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, programs: Path) -> None:
    """No test, nor a process that it starts, reads a table of the user, fills the user's cache or contacts another machine."""
    _isolate(monkeypatch, tmp_path_factory.mktemp("cache"), programs)


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, created once: that takes seconds, copying it does not."""
    from branchsweep.tracking.mlflow.new_database import make_database
    from branchsweep.tracking.run_reader import list_sweeps

    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    make_database(file)
    assert list_sweeps(Address(f"sqlite:///{file}")) == []
    return file


@pytest.fixture
def mlflow_store(mlflow_template: Path, tmp_path: Path) -> Address:
    """The address of an empty MLflow store of the test's own."""
    return Address(f"sqlite:///{shutil.copy(mlflow_template, tmp_path / 'mlflow.db')}")


@pytest.fixture(scope="session")
def mlflow_server(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of MLflow's own server, shared by all tests of the session."""
    from branchsweep.tracking.ui_pages import ui_command

    folder = tmp_path_factory.mktemp("server")
    file = shutil.copy(mlflow_template, folder / "mlflow.db")
    port = free_port()
    command, variables = ui_command(Address(f"sqlite:///{file}"), "127.0.0.1", port)
    with running_server(command, folder, {**os.environ, **variables}, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def server(postgresql_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[SharedServer]:
    """An MLflow server with several users, shared by all tests of the session: a test that stops it starts it again."""
    with postgresql(postgresql_programs, PASSWORDS["admin"], ["mlflow", "auth"]) as database:
        shared = SharedServer(tmp_path_factory.mktemp("shared"), database, PASSWORDS["admin"])
        try:
            shared.start()
            for name in ("ada", "bob"):
                shared.add_user(name, PASSWORDS[name])
            yield shared
        finally:
            shared.stop()


@pytest.fixture(scope="session")
def session_cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[RayCluster]:
    """A Ray cluster, shared by all tests of the session. Its second node may have been killed."""
    if RAY_IS_MISSING:
        pytest.skip(RAY_IS_MISSING)
    cache = tmp_path_factory.mktemp("cluster")
    (cache / "programs").symlink_to(programs)
    with cluster(cache) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def nodes(session_cluster: RayCluster) -> RayCluster:
    """The session's Ray cluster, with both nodes running."""
    session_cluster.ensure_second_node()
    return session_cluster


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
