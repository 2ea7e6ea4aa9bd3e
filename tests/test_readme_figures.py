"""The scores in the README, which a script makes from recorded runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    specification = importlib.util.spec_from_file_location("figures", ROOT / "docs" / "figures.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_table_has_the_best_mean_first(figures: ModuleType) -> None:
    table = figures.score_table([("linear", [0.9, 0.7]), ("forest", [0.94, 0.81])], ["PE", "V"])
    assert table.splitlines() == [
        "| R² on the test rows | PE | V |",
        "|---|---|---|",
        "| forest | 0.9400 | 0.8100 |",
        "| linear | 0.9000 | 0.7000 |",
    ]


def test_only_what_is_between_the_marks_is_replaced(figures: ModuleType) -> None:
    text = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n<!-- figures: two -->\nkept\n<!-- end -->\n"
    assert figures.replaced(text, {"one": r"new \1"}) == text.replace("old", r"new \1")
    with pytest.raises(ValueError, match="figures: three"):
        figures.replaced(text, {"three": ""})


def test_the_readme_has_the_blocks_that_are_written(figures: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = figures.replaced(readme, {"test scores": "TABLE", "comparison": "ANSWER"})
    assert "\nTABLE\n" in made and "\nANSWER\n" in made


def test_a_forest_for_each_head_and_a_joint_one_are_told_apart(figures: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    header = (ROOT / "experiments" / "ensemble.yaml").read_text(encoding="utf-8").split("\nname:")[0]
    for name in ("a random forest for each head", "one random forest for both heads"):
        assert f"| {name}, of {figures.TREES} trees" in readme
    assert all(score in header for score in ("0.9405", "0.8248", "0.9419", "0.8183"))
