"""Connects to an MLflow store: creates the database of a file, and returns a client once the store has answered.

Everything goes through `MlflowClient` with explicit URIs: no global tracking URI, no stack of active runs. MLflow is kept off
standard output, which is for results (`--json`), and off the network beyond the store.
"""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
from pathlib import Path
from uuid import uuid4

import mlflow.artifacts
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import ViewType

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, reason
from branchsweep.runtime import environment
from branchsweep.tracking.mlflow.checked_client import CheckedClient
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.new_database import make_database
from branchsweep.tracking.mlflow.request_limits import CONNECT_LIMITS, limit_requests
from branchsweep.tracking.tracking_uri import check_is_mlflow, database_file, is_server, nothing_at

if "MLFLOW_LOGGING_LEVEL" not in os.environ:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # without its messages about database migrations
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; our errors name the reason
    logging.getLogger("mlflow.exceptions").setLevel(logging.ERROR)  # what a proxy answered; likewise
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its retries; likewise

DATABASE_SECONDS = 10
"""How long a database may take to accept a connection."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Ports of databases whose URI names none."""


def connect(uri: Address, create: bool) -> MlflowClient:
    """The client of a store that exists and answers.

    Args:
        uri: The store's URI in full.
        create: Whether to create a sqlite file that does not exist.

    Raises:
        TrackingError: There is no usable store at this URI.
    """
    check_is_mlflow(uri)
    file = database_file(uri)
    if file is not None:
        _check_file(file, create)
    elif not is_server(uri):
        _connect_to_database(uri)
    limit_requests()
    with translate_errors(uri, "connecting"), environment(CONNECT_LIMITS):
        client = CheckedClient(tracking_uri=uri.with_secrets(), registry_uri=uri.with_secrets())
        if not client.search_experiments(ViewType.ALL, max_results=1) and is_server(uri):
            # MLflow makes a first experiment, which may be hidden from this user. What is no MLflow server also has this one,
            # without an id, which is an error of the client
            client.get_experiment_by_name(f"no experiment has the name {uuid4().hex}")
    return client


def address_of(client: MlflowClient) -> Address:
    """The address of the store that a client is of: MLflow keeps it as text."""
    return Address(str(client.tracking_uri))


def download_files(client: MlflowClient, location: str, target: Path | None = None) -> str:
    """Download the files at a URI of a store, such as those of a model's version; returns their folder.

    Args:
        client: Of the store.
        location: The URI.
        target: An existing folder; one of MLflow's choice if None.
    """
    store = address_of(client).with_secrets()
    destination = str(target) if target else None
    return mlflow.artifacts.download_artifacts(
        artifact_uri=location, dst_path=destination, tracking_uri=store, registry_uri=store
    )


def _check_file(file: Path, create: bool) -> None:
    """Raise TrackingError unless the file is a database; create it if asked to."""
    try:
        if not file.exists():
            if not create:
                raise TrackingError(nothing_at(file))
            make_database(file)
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA schema_version")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"{file} cannot be used as a tracking store ({error}): name another file (--tracking-uri)"
        ) from error


def _connect_to_database(uri: Address) -> None:
    """Raise TrackingError unless a database answers: MLflow itself would try for minutes."""
    try:
        url = sqlalchemy.make_url(uri.with_secrets())
        port = url.port or PORTS.get(url.get_backend_name())
        if url.host and port:
            socket.create_connection((url.host, port), timeout=DATABASE_SECONDS).close()
        sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect().close()
    except ModuleNotFoundError as error:
        raise TrackingError(f"{uri} needs a driver that is not installed: pip install {error.name}") from error
    except (OSError, ValueError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise TrackingError(
            f"no tracking store answers at {uri} ({uri.remove_secrets(reason(error))}): is it running?"
        ) from error
