"""The summary of a search space, as data and as text."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import pytest
from rich.console import Console, Group

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.errors import ConfigError
from branchsweep.reporting.text.experiment import render_search_space_summary
from branchsweep.reporting.text.responsive_table import ResponsiveTable
from branchsweep.workflows.search_space_summary import SearchSpaceSummary, known_networks, summarize_space
from tiny_sweep import tiny_experiment

DEPTH = {"type": "int", "low": 1, "high": 3}
TAPER = {"type": "float", "low": 0.5, "high": 1.0, "step": 0.25, "when": {"trunk.depth": [2, 3]}}
WIDTH = {"type": "choice", "choices": [8, 16], "ordered": True, "when": {"trunk.depth": [1], "V.depth": [1]}}
SPACE = {"trunk.depth": DEPTH, "trunk.taper": TAPER, "V.depth": {"type": "int", "low": 0, "high": 1}, "V.width": WIDTH}


def summarized(dimensions: Any, samples: int = 3, **changes: Any) -> SearchSpaceSummary:
    experiment = tiny_experiment(space={"dimensions": dimensions, "fixed": {"batch_size": 64}}, **changes)
    return summarize_space("tiny", experiment, samples)


def rendered(summary: SearchSpaceSummary) -> str:
    """The printed summary, with single spaces."""
    console = Console(width=140, file=io.StringIO())
    with console.capture() as captured:
        console.print(render(summary))
    return " ".join(captured.get().split())


def render(summary: SearchSpaceSummary) -> Group:
    """The parts of the printed summary."""
    group = render_search_space_summary(summary)
    assert isinstance(group, Group)
    return group


def test_points_are_counted_under_the_conditions() -> None:
    summary = summarized(SPACE)
    assert (summary.points, summary.discrete_points, summary.unconditional, summary.continuous) == (
        1 * 3 + 6 * 2,
        15,
        3 * 3 * 2 * 2,
        0,
    )
    assert "size 15 points (36 " in rendered(summary)


def test_a_space_with_a_continuous_dimension_has_infinitely_many_points() -> None:
    rate = {"learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}}
    summary = summarized({**SPACE, **rate})
    assert (summary.points, summary.discrete_points) == (math.inf, 15)
    assert re.search(r"infinite.*\b1 dimension\b.*\b15 points\b.*\b36\b", rendered(summary))
    assert json.loads(summary.to_json())["points"] is None


def test_the_size_of_a_large_space_is_rounded() -> None:
    widths = {f"{head}.width": {"type": "int", "low": 1, "high": 1000} for head in ("PE", "V")}
    rates = {name: {"type": "float", "low": 0.0, "high": 1.0, "step": 1e-6} for name in ("PE.loss_weight", "V.loss_weight")}
    assert "1.0e+18" in rendered(summarized({**widths, **rates}, samples=0))


def test_every_dimension_is_printed_with_its_range_and_condition() -> None:
    text = rendered(summarized(SPACE))
    for values in (
        r"tiny: a, b\b.*\bPE, V\b",
        r"trunk\.depth int 1\b.*\b3\b",
        r"trunk\.taper float 0\.5\b.*\b1 .*\b0\.25 trunk\.depth\b.*\b2\b.*\b3\b",
        r"V\.width choice 8, 16\b.*\btrunk\.depth\b.*\b1\b.*\bV\.depth\b.*\b1\b",
        "batch_size 64",
    ):
        assert re.search(values, text)
    for name in SPACE:
        hyperparameter = find_hyperparameter(name, ["PE", "V"])
        assert hyperparameter is not None and hyperparameter.meaning in text


def test_the_column_of_conditions_is_left_out_without_conditions() -> None:
    def columns(dimensions: Any) -> int:
        dimension_table, *_ = (part for part in render(summarized(dimensions)).renderables if isinstance(part, ResponsiveTable))
        return len(dimension_table.columns)

    assert columns(SPACE) == columns({"trunk.depth": DEPTH}) + 1


def test_samples_are_the_known_configurations_followed_by_other_networks() -> None:
    summary = summarized({"trunk.depth": DEPTH}, samples=9)
    assert [sample.known for sample in summary.samples] == ["small", "", "", ""]
    assert [sample.params for sample in summary.samples[:1]] == [{"trunk.depth": 1, "trunk.width": 2}]
    assert sorted(len(sample.architecture.trunk) for sample in summary.samples[1:]) == [1, 2, 3]
    text = rendered(summary)
    assert re.search(r"\bsmall a ─┐.* 3 a ─┐", text) and text.count(" a ─┐") == 4


def test_samples_depend_on_the_seed() -> None:
    def params(experiment: Experiment) -> list[Any]:
        return [sample.params for sample in summarize_space("tiny", experiment, 5).samples]

    assert params(tiny_experiment(seed=3)) == params(tiny_experiment(seed=3)) != params(tiny_experiment(seed=4))


def test_a_sample_has_its_network_as_layers_picture_and_data() -> None:
    (sample,) = summarized(
        {}, samples=0, search={"initial_trials": {"it": {"trunk.width": 4, "trunk.taper": 0.5, "V.depth": 0}}}
    ).samples
    assert sample.architecture.trunk == (4, 2)
    assert sample.parameters == (2 * 4 + 4) + (4 * 2 + 2) + (2 * 10 + 10) + (10 + 1) + (2 + 1)
    assert "4 ── 2" in "\n".join(sample.picture)
    (data,) = json.loads(summarized({}, samples=0, search={"initial_trials": {"it": {"trunk.width": 4}}}).to_json())["samples"]
    architecture = {"trunk": [4, 4], "branches": {"PE": [10], "V": [10]}, "activation": "relu"}
    assert architecture.items() <= data["architecture"].items()


@pytest.mark.parametrize("samples", [0, 1])
def test_a_space_of_one_point(samples: int) -> None:
    summary = summarized({}, samples=samples, search={})
    assert summary.points == 1
    assert len(summary.samples) == samples
    assert "size 1 point" in rendered(summary)


KNOWN = {"flat": {"trunk.depth": 1}, "deep": {"trunk.depth": 3, "V.depth": 0}}


class TestKnownNetworks:
    def test_the_known_configurations_are_all_or_the_named_one(self) -> None:
        experiment = tiny_experiment(search={"initial_trials": KNOWN})
        assert [(sample.known, len(sample.architecture.trunk)) for sample in known_networks(experiment)] == [
            ("flat", 1),
            ("deep", 3),
        ]
        (deep,) = known_networks(experiment, "deep")
        assert (deep.known, deep.params) == ("deep", KNOWN["deep"])
        assert deep == summarize_space("tiny", experiment, 0).samples[1]

    def test_without_known_configurations_the_network_has_the_fixed_and_default_values(self) -> None:
        (sample,) = known_networks(tiny_experiment(search={}, space={"dimensions": {}, "fixed": {"trunk.width": 7}}))
        assert (sample.known, sample.params, sample.architecture.trunk) == ("", {}, (7, 7))

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"'depe'.*\bflat, deep\b.*'deep'") as caught:
            known_networks(tiny_experiment(search={"initial_trials": KNOWN}), "depe")
        assert caught.value.where == "--initial-trial"
        with pytest.raises(ConfigError, match=r"'deep'.*\btiny\b") as caught:
            known_networks(tiny_experiment(search={}), "deep")
        assert caught.value.where == "--initial-trial"
