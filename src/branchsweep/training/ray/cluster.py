"""Connects to a Ray cluster, and counts the workers that it has room for."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from branchsweep.config.addresses import Address
from branchsweep.config.sections.workers import AUTO, RayWorkersConfig
from branchsweep.errors import BackendError, first_line

CONNECT_SECONDS = 3.0
"""The timeout of a connection to a cluster's address."""


def worker_places(cluster: RayWorkersConfig) -> int:
    """How many workers the cluster's nodes have room for if no other program uses them."""
    return count_room(ray.nodes(), cluster)


def count_room(nodes: Iterable[Mapping[str, Any]], cluster: RayWorkersConfig) -> int:
    """How many workers nodes have room for.

    Args:
        nodes: As `ray.nodes` describes them.
        cluster: What a worker gets of a node.
    """
    return sum(_room(node["Resources"], cluster) for node in nodes if node["Alive"])


def _room(resources: Mapping[str, float], cluster: RayWorkersConfig) -> int:
    room = int(resources.get("CPU", 0) // cluster.cpus_per_worker)
    return min(room, int(resources.get("GPU", 0) / cluster.gpus_per_worker)) if cluster.gpus_per_worker else room


def require_room(cluster: RayWorkersConfig) -> None:
    """Raise BackendError unless the cluster has room for a worker."""
    if worker_places(cluster):
        return
    has = "; ".join(
        f"{node['NodeManagerHostname']}: {node['Resources'].get('CPU', 0):g} and {node['Resources'].get('GPU', 0):g}"
        for node in ray.nodes()
        if node["Alive"]
    )
    requested = f"{cluster.cpus_per_worker} processors and {cluster.gpus_per_worker:g} GPUs"
    message = f"a worker wants {requested}, and no node of the cluster has so many ({has}): ask for less, or add a node"
    raise BackendError(message, "workers")


def count_places(cluster: RayWorkersConfig) -> int:
    """How many workers the cluster has room for; connects to it for this question if necessary."""
    connected = connect(cluster.address)
    try:
        return worker_places(cluster)
    finally:
        if connected:
            ray.shutdown()


def connect(address: str) -> bool:
    """Connect to a running cluster, unless this process is connected already.

    Args:
        address: The cluster's address, or `auto` for that of this machine.

    Returns:
        Whether the connection was made by this call.

    Raises:
        BackendError: Nothing listens at the address, or it is no Ray cluster.
    """
    if ray.is_initialized():
        return False
    named = Address(_running() if address == AUTO else address)
    how = (
        "expected the address of a cluster that runs: auto on one of its nodes, or ray://HOST:10001. To make this machine one: "
        "ray start --head"
    )
    if str(named) != AUTO:
        _check_port(named, how)
    try:
        ray.init(named.with_secrets(), log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise BackendError(
            f"got {named}, which cannot be used ({named.remove_secrets(first_line(error))}); {how}", "workers"
        ) from error
    return True


def _running() -> str:
    """The address that Ray uses by default: RAY_ADDRESS, else that of the cluster last started on this machine, else `auto`."""
    noted = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray" / "ray_current_cluster"
    try:
        return os.environ.get("RAY_ADDRESS") or noted.read_text(encoding="ascii").strip() or AUTO
    except OSError:  # Ray looks for its processes
        return AUTO


def _check_port(address: Address, how: str) -> None:
    """Raise BackendError if nothing listens at the address: Ray itself would retry for half a minute."""
    host, _, port = str(address).rpartition("@")[2].removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise BackendError(f"got {address}, where nothing listens ({error}); {how}", "workers") from error
