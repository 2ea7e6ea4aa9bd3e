"""The files of docker/ are right: what they name exists, and their commands work together, run here without containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from processes import run_python
from servers import free_port, postgresql, running_server

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SERVICES: dict[str, Any] = YAML(typ="safe").load(DOCKER / "compose.yaml")["services"]
INSTRUCTIONS = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
EXAMPLE = (DOCKER / "example.env").read_text(encoding="utf-8")
VARIABLES: dict[str, str] = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))


def environment_of(service: str, replacements: dict[str, str]) -> dict[str, str]:
    """The environment variables of a service with the values of the example, and other addresses than those of containers."""
    return {name: replaced(interpolated(value), replacements) for name, value in SERVICES[service]["environment"].items()}


def interpolated(text: str) -> str:
    """The text with the values of the example in place of `${NAME}`, whose default may refer to another variable."""
    pattern = r"\$\{(\w+)(?::-([^${}]*)|:\?[^${}]*)?\}"
    replacement = re.sub(pattern, lambda found: str(VARIABLES.get(found[1], found[2])), text)
    return replacement if replacement == text else interpolated(replacement)


def replaced(text: str, replacements: dict[str, str]) -> str:
    """The text with each key replaced by its value."""
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def test_the_variables_of_the_services_are_in_the_example() -> None:
    used = re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    assert set(used) == set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def test_files_that_are_mounted_or_copied_exist() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert all((DOCKER / path).is_file() for path in mounted if path.startswith("./"))
    copied = {path for paths in re.findall(r"^COPY (?!--)(.*) \S+$", INSTRUCTIONS, re.MULTILINE) for path in paths.split()}
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert copied == set(re.findall(r"^!(.*)$", ignored, re.MULTILINE))
    assert all((ROOT / path).exists() for path in copied)


def test_the_image_has_the_pinned_versions() -> None:
    (command,) = re.findall(r"sed --silent '.*?' requirements\.lock", INSTRUCTIONS)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert done.stdout.split("\n")[:-1] == [line.rstrip(" \\") for line in lines if "==" in line]


@pytest.mark.slow
def test_a_sweep_is_recorded_by_the_server(postgresql_programs: Path, tmp_path: Path) -> None:
    """The database, the server and the sweep with the commands and variables of the services."""
    port = free_port()
    created = re.findall(r"CREATE DATABASE (\w+)", (DOCKER / "create-databases.sql").read_text(encoding="utf-8"))
    databases = [SERVICES["database"]["environment"]["POSTGRES_DB"], *created]
    with postgresql(postgresql_programs, VARIABLES["DATABASE_PASSWORD"], databases) as address:
        uri = f"http://127.0.0.1:{port}"
        elsewhere = {"@database/": f"@{address}/", "http://mlflow:5000": uri, "/etc/mlflow": str(tmp_path)}
        accounts = (DOCKER / "auth.ini").read_text(encoding="utf-8")
        (tmp_path / "auth.ini").write_text(replaced(accounts, elsewhere), encoding="utf-8")
        here = {"/artifacts": str(tmp_path / "artifacts"), "5000": str(port), "localhost": "127.0.0.1"}
        words: list[str] = SERVICES["mlflow"]["entrypoint"] + SERVICES["mlflow"]["command"]
        command = [sys.executable, "-P", "-m", *(replaced(word, here) for word in words)]
        with running_server(command, tmp_path, os.environ | environment_of("mlflow", elsewhere), f"{uri}/health"):
            environment = environment_of("sweep", elsewhere)
            run = "import sys; from branchsweep.cli import main; sys.argv[0] = 'branchsweep'; main()"
            arguments = [str(ROOT / word) if word.endswith(".yaml") else word for word in SERVICES["sweep"]["command"]]
            smaller = ["--trials", "2", "--set", "fit.epochs=2"]
            done = run_python(run, *arguments, *smaller, cwd=tmp_path, variables=environment)
            assert done.returncode == 0, done.stderr
            shown = run_python(run, "show", cwd=tmp_path, variables=environment)
    assert "quickstart" in shown.stdout and not (tmp_path / "mlflow.db").exists()
