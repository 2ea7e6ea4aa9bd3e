"""The drawing of the imports between folders, which a script makes from the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "imports.py"

LAYERS = [
    ["cli", "api", "estimators"],
    ["reporting"],
    ["workflows"],
    ["search", "training", "tracking"],
    ["models"],
    ["data"],
    ["metrics"],
    ["config"],
]
"""From the top, as the architecture has them."""


@pytest.fixture(scope="module")
def imports() -> ModuleType:
    specification = importlib.util.spec_from_file_location("imports", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_folders_are_in_the_order_of_the_architecture(imports: ModuleType) -> None:
    assert imports.layers() == LAYERS
    assert imports.folders() == {name for layer in LAYERS for name in layer}


def test_every_import_points_downwards(imports: ModuleType) -> None:
    edges = imports.edges()
    assert imports.not_downwards(edges, imports.layers()) == []
    assert {("cli", "workflows"), ("workflows", "training"), ("training", "models"), ("data", "config")} <= edges.keys()
    assert not {pair for pair in edges if set(pair) <= {"search", "training", "tracking"}}


def test_the_kept_picture_shows_the_imports_of_the_code(imports: ModuleType) -> None:
    assert imports.drawn(imports.PICTURE) == sorted(imports.edges()), "out of date: python docs/imports.py"


def test_an_import_upwards_is_reported_with_its_module(imports: ModuleType) -> None:
    module = Path("src/branchsweep/metrics/scores.py")
    edges = {("metrics", "models"): [module], ("search", "tracking"): [module], ("cli", "config"): [module]}
    upwards = imports.not_downwards(edges, imports.layers())
    named = [re.fullmatch(r"(.*): (\w+) imports (\w+),.*", line) for line in upwards]
    assert [match and match.groups() for match in named] == [
        (str(module), "metrics", "models"),
        (str(module), "search", "tracking"),
    ]


def test_the_imports_of_a_picture_can_be_read_back(imports: ModuleType, tmp_path: Path) -> None:
    edges = [("cli", "config"), ("search", "models")]
    imports.draw(edges, imports.layers(), tmp_path / "picture.png")
    assert imports.drawn(tmp_path / "picture.png") == edges
