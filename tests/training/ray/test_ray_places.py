"""How many workers a cluster has room for, and which cluster is meant, as far as no cluster is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from branchsweep.config.sections.workers import AUTO, RayWorkersConfig
from ray_cluster import RAY_IS_MISSING

if RAY_IS_MISSING:
    pytest.skip(RAY_IS_MISSING, allow_module_level=True)

from branchsweep.training.ray import cluster
from branchsweep.training.ray.cluster import count_room


def node(cpus: float, gpus: float = 0.0, alive: bool = True) -> dict[str, Any]:
    """A node as Ray describes it; resources that it has not are left out."""
    resources = {"CPU": cpus, "GPU": gpus, "memory": 1e9}
    return {"Alive": alive, "Resources": {name: count for name, count in resources.items() if count}}


def workers(cpus: int = 1, gpus: float = 0.0) -> RayWorkersConfig:
    return RayWorkersConfig(kind="ray", cpus_per_worker=cpus, gpus_per_worker=gpus)


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [(1, 0, 9), (2, 0, 3), (4, 0, 1), (8, 0, 0), (1, 1, 2), (1, 0.5, 4), (2, 0.5, 2), (1, 0.3, 5), (1, 4, 0)],
)
def test_every_node_has_room_for_whole_workers(cpus: int, gpus: float, room: int) -> None:
    nodes = [node(3), node(5, gpus=2), node(1), node(64, gpus=8, alive=False)]
    assert count_room(nodes, workers(cpus, gpus)) == room


def test_a_node_without_processors_or_a_cluster_without_nodes_has_no_room() -> None:
    assert count_room([node(0)], workers()) == count_room([], workers()) == 0


def test_the_cluster_is_the_one_of_the_environment_then_the_last_one_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster._running() == AUTO
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("10.0.0.1:6379\n", encoding="ascii")
    assert cluster._running() == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.2:10001")
    assert cluster._running() == "ray://10.0.0.2:10001"
