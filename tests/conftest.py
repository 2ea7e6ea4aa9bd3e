"""What all tests share: a world without network and without the user's files, and the real table where there is one."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

from nodes import NO_RAY, Nodes, cluster
from servers import PASSWORDS, SharedServer, answering, free_port, postgresql

pytest.register_assert_rewrite("contracts")  # what fails in a contract is shown with its values

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
"""What is compared to the last bit is computed on processors, TensorFlow in this process included."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

TABLE = "BRANCHSWEEP_TEST_TABLE"
NO_SKIPS = "BRANCHSWEEP_NO_SKIPS"
"""The environment variable under which a skipped test is a failure: CI has all that the tests need."""


@pytest.fixture(scope="session", autouse=True)
def _listens_to_ctrl_c() -> None:
    """Our own commands do as in a terminal, even where tests run in the background of a shell, which makes them deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_table() -> Path:
    """The published power-plant table, as the environment variable BRANCHSWEEP_TEST_TABLE names it."""
    path = Path(os.environ.get(TABLE, ""))
    if not path.is_file():
        given = f"'{path}', which is no file" if os.environ.get(TABLE) else "nothing"
        pytest.skip(f"NOT TESTED ON THE REAL TABLE: {TABLE} must name the xlsx file, and names {given}")
    return path


def program(name: str, or_else: str) -> str:
    """The path of a program, which is no Python package; where it is not there, tests that need it are skipped and say so."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(or_else)
    return found


@pytest.fixture(scope="session")
def graphviz_program() -> str:
    """The path of Graphviz's `dot`."""
    return program("dot", "NO PICTURE WAS DRAWN: Graphviz's program dot is not there (apt install graphviz)")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    return program("chromium", "NOT LOOKED AT IN A BROWSER: there is no chromium (on Debian: apt install chromium)")


@pytest.fixture(scope="session")
def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs, which are no Python package; Debian keeps them off the path."""
    needed = ("initdb", "postgres", "pg_isready", "createdb", "pg_dump")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    found = [folder for folder in folders if all((folder / program).is_file() for program in needed)]
    if not found:
        pytest.skip("NO SERVER WAS SHARED: PostgreSQL's programs are not there (apt install postgresql)")
    return found[0]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes that tests start keep compiled programs: what one has compiled, the next one loads."""
    return tmp_path_factory.mktemp("programs")


def _settle(world: pytest.MonkeyPatch, cache: Path, programs: Path) -> None:
    """Nothing of the user's is found, and the machine is not left."""
    world.delenv("BRANCHSWEEP_CCPP", raising=False)
    (cache / "programs").symlink_to(programs)
    world.setenv("BRANCHSWEEP_CACHE", str(cache))
    world.setenv("BRANCHSWEEP_CCPP_URL", "http://127.0.0.1:9/nobody-listens-here.zip")
    for name in ("no_proxy", "NO_PROXY"):
        world.setenv(name, "127.0.0.1")
    world.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _world_of_all(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Generator[None]:
    """What several tests share is made before any of them has a world of its own."""
    with pytest.MonkeyPatch.context() as world:
        _settle(world, tmp_path_factory.mktemp("cache"), programs)
        yield


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, programs: Path) -> None:
    """No test (nor a process that it starts) finds a table of the user's, fills the user's cache or leaves the machine."""
    _settle(monkeypatch, tmp_path_factory.mktemp("cache"), programs)


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once: that takes seconds, a copy none."""
    from branchsweep.tracking.mlflow.store import make_database
    from branchsweep.tracking.run_reader import list_sweeps

    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    make_database(file)
    assert list_sweeps(f"sqlite:///{file}") == []
    return file


@pytest.fixture
def mlflow_store(mlflow_template: Path, tmp_path: Path) -> str:
    """The address of an empty MLflow store of the test's own."""
    return f"sqlite:///{shutil.copy(mlflow_template, tmp_path / 'mlflow.db')}"


@pytest.fixture(scope="session")
def mlflow_server(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of MLflow's own server, shared by all tests of the session."""
    from branchsweep.tracking.ui_pages import SERVER_ENVIRONMENT, ui_command

    folder = tmp_path_factory.mktemp("server")
    file = shutil.copy(mlflow_template, folder / "mlflow.db")
    port = free_port()
    command = ui_command(f"sqlite:///{file}", "127.0.0.1", port)
    environment = {**os.environ, **SERVER_ENVIRONMENT}
    with answering(command, folder, environment, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def server(postgresql_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[SharedServer]:
    """An MLflow server that several people use, shared by all tests of the session: whoever stops it starts it again."""
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
def all_nodes(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Nodes]:
    """A Ray cluster, shared by all tests of the session. It may have lost its second node."""
    if NO_RAY:
        pytest.skip(NO_RAY)
    cache = tmp_path_factory.mktemp("cluster")
    (cache / "programs").symlink_to(programs)
    with cluster(cache) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def nodes(all_nodes: Nodes) -> Nodes:
    """The session's Ray cluster, with both its nodes."""
    all_nodes.have_a_second()
    return all_nodes


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
