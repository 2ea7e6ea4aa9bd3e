"""The undisturbed commands that all faults are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.chain import Workspace
from faults.figures import COUNT
from faults.recorded import RecordedSweeps
from faults.undisturbed import Undisturbed, run_undisturbed
from hostile_server import hostile_server


@pytest.fixture(scope="session")
def undisturbed(programs: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The chain of commands without a fault."""
    folder = tmp_path_factory.mktemp("undisturbed")
    workspace = Workspace.make(folder / "workspace", programs, mlflow_template)
    if not COUNT:
        return run_undisturbed(workspace, folder, workers=1)
    # The first chain compiles the programs. Its phases are longer than those of all others, and so are not measured.
    run_undisturbed(Workspace.make(folder / "first", programs, mlflow_template), folder / "copies of the first", workers=2)
    return run_undisturbed(workspace, folder, workers=2)


@pytest.fixture(scope="session")
def recorded(
    mlflow_server: str, mlflow_template: Path, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RecordedSweeps]:
    """MLflow's server behind a proxy, with a workspace for the commands."""
    workspace = Workspace.make(tmp_path_factory.mktemp("proxy") / "workspace", programs, mlflow_template)
    with hostile_server(mlflow_server) as proxy:
        yield RecordedSweeps(workspace, mlflow_server, proxy)
