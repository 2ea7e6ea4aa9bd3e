"""The drawing of the imports between folders, which a script makes from the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "imports.py"

FOLDERS = ["cli", "reporting", "workflows", "search", "training", "tracking", "models", "data", "metrics", "config"]
"""From the top, as the architecture has them."""


@pytest.fixture(scope="module")
def imports() -> ModuleType:
    specification = importlib.util.spec_from_file_location("imports", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_ten_folders_stand_in_the_architectures_order(imports: ModuleType) -> None:
    assert imports.layers() == [FOLDERS[:1], FOLDERS[1:2], FOLDERS[2:3], FOLDERS[3:6], *([name] for name in FOLDERS[6:])]
    assert imports.folders() == set(FOLDERS)


def test_every_arrow_points_downwards(imports: ModuleType) -> None:
    found = imports.edges()
    assert imports.not_downwards(found, imports.layers()) == []
    assert {("cli", "workflows"), ("workflows", "training"), ("training", "models"), ("data", "config")} <= found.keys()
    assert not {pair for pair in found if set(pair) <= {"search", "training", "tracking"}}


def test_the_kept_picture_shows_the_imports_of_the_code(imports: ModuleType) -> None:
    assert imports.drawn(imports.PICTURE) == sorted(imports.edges()), "out of date: python docs/imports.py"


def test_an_arrow_upwards_is_named_with_its_module(imports: ModuleType) -> None:
    module = Path("src/branchsweep/metrics/scores.py")
    found = {("metrics", "models"): [module], ("search", "tracking"): [module], ("cli", "config"): [module]}
    assert imports.not_downwards(found, imports.layers()) == [
        f"{module}: metrics imports models, which is not below it",
        f"{module}: search imports tracking, which is not below it",
    ]


def test_what_is_drawn_can_be_read_back(imports: ModuleType, tmp_path: Path) -> None:
    edges = [("cli", "config"), ("search", "models")]
    imports.draw(edges, imports.layers(), tmp_path / "picture.png")
    assert imports.drawn(tmp_path / "picture.png") == edges
