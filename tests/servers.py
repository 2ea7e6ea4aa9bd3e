"""Servers that tests start and stop."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

PASSWORDS = {name: f"{name}'s {uuid4().hex}" for name in ("ada", "bob", "admin")}
"""The passwords of the shared server's users."""


def sign_in_variables(user: str) -> dict[str, str]:
    """The environment variables with which a user signs in at the shared server."""
    return {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": PASSWORDS[user]}


def free_port() -> int:
    """A port at which no process listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running_server(command: list[str], folder: Path, environment: Mapping[str, str], health: str) -> Generator[None]:
    """Run a server, from when it answers at `health`; afterwards it is stopped with all its child processes."""
    with (folder / "log").open("w") as log:  # a group of its own, for the server has children
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _await_answer(health, seconds=90, server=server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def _await_answer(url: str, seconds: float, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"no answer from {url} within {seconds} s (ended with {server.poll()})")


@contextmanager
def postgresql(programs: Path, password: str, databases: list[str]) -> Generator[str]:
    """A new PostgreSQL server on the loopback interface, with the user `mlflow`; gives `host:port`.

    Args:
        programs: The folder of `initdb` and `postgres`.
        password: The password of `mlflow`.
        databases: The empty databases to create.
    """
    # PostgreSQL refuses to be run by root, and other users may not read the folders of tests
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="branchsweep-postgresql-") as name:
        folder, port = Path(name), free_port()
        if owner:
            shutil.chown(folder, owner["user"], owner["group"])
        secret = folder / "password"
        secret.write_text(password, encoding="utf-8")
        if owner:
            shutil.chown(secret, owner["user"], owner["group"])
        initdb: list[Any] = [programs / "initdb", "--pgdata", folder / "data", "--username", "mlflow", "--pwfile", secret]
        options = ["--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--no-locale"]
        subprocess.run([*initdb, *options], check=True, capture_output=True, cwd=folder, **owner)
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options_of_settings = [option for setting, value in settings.items() for option in ("-c", f"{setting}={value}")]
        command: list[Any] = [programs / "postgres", "-D", folder / "data", *options_of_settings]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **owner)
        try:
            environment = {**os.environ, "PGPASSWORD": password}
            address = ["--host", "127.0.0.1", "--port", str(port)]
            _await_success([programs / "pg_isready", *address], environment, seconds=30)
            for database in databases:
                created: list[Any] = [programs / "createdb", *address, "--username", "mlflow", database]
                subprocess.run(created, check=True, capture_output=True, env=environment, cwd=folder)
            yield f"127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # "fast shutdown": clients are disconnected
            server.wait(20)


def _await_success(command: list[Any], environment: Mapping[str, str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while subprocess.run(command, check=False, capture_output=True, env=environment, cwd="/").returncode:
        if time.monotonic() > deadline:
            pytest.fail(f"{command[0]} did not succeed within {seconds} s")
        time.sleep(0.1)


class SharedServer:
    """MLflow's server with passwords, on PostgreSQL and with a folder for artifacts, which can be stopped and started again.

    Args:
        folder: For its artifacts, its configuration and its logs.
        postgresql: `host:port` of a PostgreSQL that has the databases `mlflow` and `auth`.
        password: Of PostgreSQL's user `mlflow`, and of the server's administrator.
    """

    def __init__(self, folder: Path, postgresql: str, password: str) -> None:
        self.folder, self._postgresql, self._password, self._port = folder, postgresql, password, free_port()
        self.uri, self.starts = f"http://127.0.0.1:{self._port}", 0
        self._running: AbstractContextManager[None] | None = None
        config = folder / "auth.ini"
        config.write_text(
            f"[mlflow]\ndatabase_uri = postgresql+psycopg://mlflow@{postgresql}/auth\nadmin_username = admin\n"
            "default_permission = MANAGE\nauth_cache_ttl_seconds = 60\n",
            encoding="utf-8",
        )
        self._environment = {
            **os.environ,
            "PGPASSWORD": password,
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://mlflow@{postgresql}/mlflow",
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }

    def start(self) -> None:
        """Start it, at the same address each time."""
        options = ["--artifacts-destination", str(self.folder / "artifacts"), "--app-name", "basic-auth", "--workers", "1"]
        address = ["--host", "127.0.0.1", "--port", str(self._port)]
        logs = self.folder / f"start-{self.starts}"
        logs.mkdir()
        self.starts += 1
        command = [sys.executable, "-P", "-m", "mlflow", "server", *options, *address]
        self._running = running_server(command, logs, self._environment, f"{self.uri}/health")
        self._running.__enter__()

    def stop(self) -> None:
        """Stop it; it need not run."""
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(None, None, None)

    def add_user(self, name: str, password: str) -> None:
        """Create a user, as the administrator."""
        user = {"username": name, "password": password}
        url = f"{self.uri}/api/2.0/mlflow/users/create"
        requests.post(url, json=user, auth=("admin", self._password), timeout=30).raise_for_status()

    def dump(self, programs: Path) -> str:
        """The contents of its database, as text."""
        command: list[Any] = [programs / "pg_dump", f"postgresql://mlflow@{self._postgresql}/mlflow"]
        dumped = subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment)
        return str(dumped.stdout)
