"""How a Ray cluster is reached, and how many workers it has room for."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ray
from ray.exceptions import RayError

from branchsweep.config.workers import AUTO, RayWorkersConfig
from branchsweep.errors import BackendError

CONNECT_SECONDS = 3.0
"""So long may a cluster's address take to answer."""


def first_line(error: BaseException) -> str:
    """What went wrong; where that only announces a traceback, with its last line."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {others[-1].strip()}" if others and first.endswith(":") else first


def worker_places(cluster: RayWorkersConfig) -> int:
    """How many workers the nodes have room for, if nobody else is there."""
    return sum(_room(node["Resources"], cluster) for node in ray.nodes() if node["Alive"])


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
    wanted = f"{cluster.cpus_per_worker} processors and {cluster.gpus_per_worker:g} GPUs"
    message = f"a worker wants {wanted}, and no node of the cluster has so many ({has}): ask for less, or add a node"
    raise BackendError(message, "workers")


def count_places(cluster: RayWorkersConfig) -> int:
    """How many workers would train there."""
    ours = connect(cluster.address)
    try:
        return worker_places(cluster)
    finally:
        if ours:
            ray.shutdown()


def connect(address: str) -> bool:
    """Reaches a cluster that runs, and says whether that was to be done: this process may have done so before.

    Raises:
        BackendError: Nobody answers there, or somebody else.
    """
    if ray.is_initialized():
        return False
    named = _running() if address == AUTO else address
    how = (
        "expected the address of a cluster that runs: auto on one of its nodes, or ray://HOST:10001. To make this machine one: "
        "ray start --head"
    )
    if named != AUTO:
        _check_port(named, how)
    try:
        ray.init(named, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise BackendError(f"got {named}, which cannot be used ({first_line(error)}); {how}", "workers") from error
    return True


def _running() -> str:
    """The cluster that Ray would join of itself: what RAY_ADDRESS names, or the one that was last started on this machine."""
    noted = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray" / "ray_current_cluster"
    try:
        return os.environ.get("RAY_ADDRESS") or noted.read_text(encoding="ascii").strip() or AUTO
    except OSError:  # Ray looks for its processes
        return AUTO


def _check_port(address: str, how: str) -> None:
    """Raises where nobody listens: Ray would go on asking for half a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise BackendError(f"got {address}, where nobody answers ({error}); {how}", "workers") from error
