"""The search whose points are scored one after the other."""

from __future__ import annotations

import math

import pytest

from branchsweep.config.sections.dimensions import Choice, Float, Int
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.search.sequential import SequentialSearch
from branchsweep.trial import Params
from tiny_sweep import tiny_experiment

SPACE = SearchSpace(
    dimensions={
        "max_features": Float(type="float", low=0.2, high=1.0),
        "min_samples_leaf": Int(type="int", low=1, high=10),
        "bootstrap": Choice(type="choice", choices=[True, False]),
        "max_samples": Float(type="float", low=0.1, high=1.0, when={"bootstrap": [True]}),
    }
)


def distance(params: Params) -> float:
    """How far a point is from one in a corner, which the searches should find."""
    return abs(float(params["max_features"]) - 0.3) + abs(float(params["min_samples_leaf"]) - 9) / 10


def searched(driver: str, seed: int, trials: int, space: SearchSpace = SPACE) -> list[Params]:
    search = SequentialSearch(tiny_experiment(search={"driver": driver, "trials": 1}), space, seed)
    points = []
    for number in range(trials):
        point = search.ask(number)
        if point is None:
            break
        points.append(point)
        search.tell(-distance(point) if len(points) % 5 else math.nan)
    return points


@pytest.mark.parametrize("driver", ["optuna", "random"])
def test_points_are_of_the_space_each_asked_once_and_follow_from_the_seed(driver: str) -> None:
    points = searched(driver, 3, 24)
    assert len(points) == 24
    assert all(SPACE.contains(point) for point in points)
    assert len({tuple(sorted(point.items())) for point in points}) == 24
    assert searched(driver, 3, 24) == points
    assert searched(driver, 4, 24) != points


def test_tpe_goes_where_the_scores_are_high() -> None:
    random, tpe = (searched(driver, 1, 60)[30:] for driver in ("random", "optuna"))
    assert sum(map(distance, tpe)) < sum(map(distance, random)) / 1.5


@pytest.mark.parametrize("driver", ["optuna", "random"])
def test_a_small_space_ends_when_every_point_was_asked(driver: str) -> None:
    space = SearchSpace(
        dimensions={
            "max_features": Float(type="float", low=0.2, high=1.0, step=0.4),
        }
    )
    small = SearchSpace(dimensions={**space.dimensions, "min_samples_leaf": Int(type="int", low=1, high=2)})
    assert len(searched(driver, 1, 30, small)) == 6
