"""Leaderboards: filters and order of trials; and the details of one trial."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Int
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.errors import ConfigError
from branchsweep.reporting.text.trials import render_leaderboard, render_trial_details
from branchsweep.tracking.protocols import SweepRecord
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows.records.leaderboard import Leaderboard, SweepTrials, leaderboard
from branchsweep.workflows.records.report_tables import leaderboard_table
from branchsweep.workflows.records.trial_details import RecordedTrial, TrialDetails, find_trial, trial_details
from branchsweep.workflows.records.trial_filter import Condition, TrialFilter, sorts, value_of
from scores import SCORE_METRICS, head_score
from tiny_sweep import tiny_experiment

HEADS = {"PE": "MW", "V": "cm Hg"}
NAN = math.nan


def scored(number: int, pe: float, v: float, params: dict[str, Any], seconds: float = 1.0) -> Result:
    heads = {"PE": head_score(pe, 0.01, 4.0, 3.0), "V": head_score(v, NAN, 5.0, 4.0)}
    lanes = {"PE": (pe - 0.01, pe, pe + 0.01, pe), "V": (v, v, v, v)}
    score = Score(
        Status.COMPLETE, (pe + v) / 2, 0.01, heads, seconds=seconds, lanes=4, rungs={2: (0.1, 0.2)}, lane_scores=lanes
    )
    return Result(Trial(number, params), score)


PRUNED = "pruned at rung 1"
"""The reason of a pruned trial."""


def pruned(result: Result) -> Result:
    return replace(result, score=replace(result.score, status=Status.PRUNED, reason=PRUNED))


def small() -> Experiment:
    return tiny_experiment(validation={"method": "k_fold", "folds": 2, "seeds": 2})


RESULTS = [
    scored(0, 0.9, 0.2, {"trunk.depth": 1, "trunk.width": 8}, seconds=3.0),
    scored(1, 0.7, 0.7, {"trunk.depth": 3, "trunk.width": 8}, seconds=2.0),
    scored(2, 0.8, 0.5, {"trunk.width": 30, "activation": "tanh"}, seconds=5.0),
    Result(Trial(3, {"trunk.depth": 4}), Score(Status.FAILED, reason="diverged", seconds=9.0, lanes=4)),
    pruned(scored(4, 0.95, 0.95, {"trunk.depth": 2})),
]


def leaderboard_of(results: list[Result] = RESULTS, objective: Objective | None = None, **options: Any) -> Leaderboard:
    conditions = [Condition.parsed(text, list(SCORE_METRICS)) for text in options.pop("where", [])]
    filter_options = {"sort": "objective", "statuses": [], "most": None, **options}
    trial_filter = TrialFilter.parsed(**filter_options, conditions=conditions, score_metrics=SCORE_METRICS)
    experiment = small() if trial_filter.needs_experiment else None
    run_ids = {result.trial.number: f"run{result.trial.number}" for result in results}
    record = SweepRecord("tiny", "key", "", "", HEADS, SCORE_METRICS, objective or Objective())
    return leaderboard(SweepTrials("sweep", record, results, run_ids), trial_filter, experiment)


def numbers(**options: Any) -> list[int]:
    return [result.trial.number for result in leaderboard_of(**options).shown]


def rendered(renderable: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return out.getvalue()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("objective", [1, 2, 0, 3, 4]),
        ("r2/mean", [1, 2, 0, 4, 3]),
        ("r2/PE", [0, 2, 1, 4, 3]),
        ("r2/V", [1, 2, 0, 4, 3]),
        ("number", [0, 1, 2, 3, 4]),
        ("seconds", [4, 1, 0, 2, 3]),
        ("parameters", [0, 1, 4, 3, 2]),
    ],
)
def test_trials_are_sorted_by_a_metric(sort: str, expected: list[int]) -> None:
    assert sort in sorts(SCORE_METRICS)
    assert numbers(sort=sort) == expected


def test_trials_are_sorted_by_a_measured_metric_of_their_networks_those_without_last() -> None:
    measured = {0: 0.02, 1: 0.03, 4: 0.01}
    results = [
        replace(one, score=replace(one.score, network={"latency": measured[one.number]} if one.number in measured else {}))
        for one in RESULTS
    ]
    board = leaderboard_of(results, sort="latency")
    assert [one.number for one in board.shown] == [4, 0, 1, 2, 3]
    assert "20 ms" in rendered(render_leaderboard(board))
    header, rows = leaderboard_table(small(), results)
    column = {row[1]: row[header.index("latency")] for row in rows}
    assert (column[4], math.isnan(column[3])) == (0.01, True)


def test_trials_that_break_a_constraint_are_sorted_after_eligible_ones() -> None:
    objective = Objective(constraints=["r2/PE >= 0.75"])
    assert [result.trial.number for result in leaderboard_of(objective=objective).shown] == [2, 0, 1, 3, 4]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["complete"], {0, 1, 2}),
        (["pruned", "failed"], {3, 4}),
        (["Pruned, failed"], {3, 4}),
        (["failed"], {3}),
        ([], set(range(5))),
    ],
)
def test_trials_are_filtered_by_status(statuses: list[str], expected: set[int]) -> None:
    assert set(numbers(statuses=statuses)) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["trunk.depth>=3"], {1, 3}),
        (["trunk.depth=2"], {2, 4}),  # trial 2 has the default
        (["trunk.depth != 2"], {0, 1, 3}),
        (["trunk.depth<3", "trunk.width > 8"], {2, 4}),
        (["activation==tanh"], {2}),
        (["activation=relu"], {0, 1, 3, 4}),
        (["PE.depth=1"], set(range(5))),  # no trial sets it for the head alone: the value of all branches
        (["learning_rate<=0.001"], set(range(5))),
    ],
)
def test_trials_are_filtered_by_their_params(where: list[str], expected: set[int]) -> None:
    assert set(numbers(where=where)) == expected


BUILT = SearchSpace(
    builder="networks:build",
    dimensions={
        "blocks": Int(type="int", low=1, high=4),
        "norm": Choice(type="choice", choices=["batch", "layer"]),
        "gated": Choice(type="choice", choices=[True, False]),
    },
)


@pytest.mark.parametrize(("where", "is_met"), [("blocks>2", True), ("norm=layer", False), ("gated=true", True)])
def test_trials_are_filtered_by_hyperparameters_of_a_builder(where: str, is_met: bool) -> None:
    condition = Condition.parsed(where, ["PE"], BUILT)
    assert condition.is_met(value_of(condition.name, {"blocks": 3, "norm": "batch", "gated": True}, {}, ["PE"])) == is_met
    assert not condition.is_met(value_of(condition.name, {}, {}, ["PE"]))  # a condition of the space left it out


@pytest.mark.parametrize("where", ["block>2", "trunk.depth>2"])
def test_what_is_no_hyperparameter_of_a_builder_is_answered_by_those_that_are(where: str) -> None:
    with pytest.raises(ConfigError, match="blocks, norm, gated") as raised:
        Condition.parsed(where, ["PE"], BUILT)
    assert raised.value.where == "--where"


def test_the_value_of_a_param_falls_back_to_fixed_values_and_to_all_branches() -> None:
    fixed = {"branch.depth": 3, "trunk.width": 64}
    assert value_of("trunk.width", {}, fixed, ["PE"]) == 64
    assert value_of("trunk.width", {"trunk.width": 8}, fixed, ["PE"]) == 8
    assert value_of("PE.depth", {}, fixed, ["PE"]) == 3
    assert value_of("PE.depth", {"PE.depth": 0}, fixed, ["PE"]) == 0


def test_numbers_are_compared_to_nine_digits() -> None:
    condition = Condition.parsed("learning_rate=0.333333333333", ["PE"])
    assert condition.is_met(1 / 3) and not condition.is_met(0.333)


@pytest.mark.parametrize(
    ("options", "where", "expected"),
    [
        ({"sort": "r2/PX"}, "--sort", "'r2/PX'.*'r2/PE'"),
        ({"sort": "time"}, "--sort", "'time'.*objective, r2/mean, r2/PE, r2/V, number, seconds, parameters"),
        ({"statuses": ["complet"]}, "--status", "'complet'.*'complete'"),
        ({"where": ["trunk.dept=3"]}, "--where", "'trunk.dept'.*'trunk.depth'"),
        ({"where": ["X.depth=3"]}, "--where", "'X.depth'"),
        ({"where": ["trunk.depth"]}, "--where", "'trunk.depth'.*KEY=VALUE"),
        ({"where": ["trunk.depth=deep"]}, "--where", "trunk.depth.*'deep'"),
        ({"where": ["activation<relu"]}, "--where", "'activation<relu'.*= and !="),
        ({"where": ["activation=relo"]}, "--where", "'relo'.*'relu'"),
    ],
)
def test_an_invalid_option_is_refused(options: dict[str, Any], where: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        leaderboard_of(**options)
    assert caught.value.where == where


def test_the_leaderboard_has_a_row_for_each_trial_and_the_number_of_hidden_ones() -> None:
    text = rendered(render_leaderboard(leaderboard_of(most=3, sort="parameters")))
    state, head, first, _, third, more, legend = text.splitlines()
    assert "finished" in state and "5 trials" in state and "complete" in state and "pruned" in state
    assert head.split() == ["trial", "r2/PE", "r2/V", "r2/mean", "parameters", "epochs", "params"]
    assert first.split()[:6] == ["0", "0.9000", "0.2000", "0.5500", "±", "0.0100"]
    assert third.split()[0] == "4" and "PRUNED" in third
    assert "2" in more and "--most" in more
    assert "r2/PE" in legend and "--sort" in legend
    assert "5 trials" in rendered(render_leaderboard(leaderboard_of(where=["trunk.depth>7"])))
    assert "tiny" in rendered(render_leaderboard(leaderboard_of(results=[])))


def test_the_leaderboard_as_json_has_every_trial_and_null_for_nan() -> None:
    data = json.loads(leaderboard_of().to_json(), parse_constant=pytest.fail)
    assert (data["sweep"], data["run_id"], data["recorded"], data["objective"]) == ("tiny", "sweep", 5, ["mean_r2"])
    first, *_, failed, dropped = data["trials"]
    assert (first["trial"], first["run_id"], first["status"], first["eligible"]) == (1, "run1", "complete", True)
    assert first["r2"] == {"PE": 0.7, "V": 0.7, "mean": 0.7} and first["r2_se"] == {"PE": 0.01, "V": None, "mean": 0.01}
    assert (failed["status"], failed["r2"], failed["objective"], failed["eligible"]) == ("failed", {"mean": None}, None, False)
    assert (dropped["status"], dropped["reason"], dropped["eligible"]) == ("pruned", PRUNED, False)


CURVES = {"PE": [(1, -3.0), (2, 0.4), (3, 0.9)], "V": [(1, 0.1), (3, 0.2)]}


def details_of(result: Result) -> TrialDetails:
    return trial_details(small(), "sweep", RecordedTrial("0123456789abcdef", result, CURVES), Address("sqlite:///my store.db"))


def test_trial_details_have_params_scores_lanes_rungs_and_curves() -> None:
    text = " ".join(rendered(render_trial_details(details_of(RESULTS[0]))).split())
    assert re.match(r"tiny\b.* 0: complete\b.*\b0123456789abcdef\b", text)
    assert "trunk.depth 1 trunk.width 8" in text
    assert "┐" in text and "parameters" in text
    assert "R² 0.9000 ± 0.0100 0.2000 0.5500 ± 0.0100" in text
    assert "RMSE 4 MW 5 cm Hg" in text and "MAE 3 MW 4 cm Hg" in text
    assert "fold 0, seed 0 0.8900 0.2000 0.5450" in text
    assert "fold 1, seed 1 0.9000 0.2000 0.5500" in text
    assert " 2 0.1000 0.2000 0.1500" in text  # the rung's epoch, and the scores there
    assert " 1 " in text and "0.900 ┤" in text  # the first epoch of the curves
    assert "branchsweep replay 0123456789ab --tracking-uri 'sqlite:///my store.db'" in text


def test_details_of_a_failed_trial_have_the_reason_and_no_scores() -> None:
    text = rendered(render_trial_details(details_of(RESULTS[3])))
    assert re.match(r"tiny\b.* 3: failed\b.*\bdiverged\b", text) and "RMSE" not in text
    text = rendered(render_trial_details(details_of(RESULTS[4])))
    assert re.match(rf"tiny\b.* 4: {PRUNED}\b", text), "whose reason begins with the status"


def test_trial_details_as_json() -> None:
    data = json.loads(details_of(RESULTS[0]).to_json(), parse_constant=pytest.fail)
    assert (data["trial"], data["status"], data["sweep_id"]) == (0, "complete", "sweep")
    architecture = {"trunk": [8], "branches": {"PE": [10], "V": [10]}, "activation": "relu"}
    assert architecture.items() <= data["recipe"]["architecture"].items()
    assert data["parameters"] == 3 * 8 + 2 * (9 * 10 + 11)
    assert data["lane_scores"]["fold 0, seed 1"] == {"PE": 0.9, "V": 0.2}
    assert data["rungs"] == {"2": [0.1, 0.2]} and data["curves"]["V"] == [[1, 0.1], [3, 0.2]]


def test_an_unknown_trial_number_is_refused() -> None:
    assert find_trial(RESULTS, 3, "tiny") is RESULTS[3]
    with pytest.raises(ConfigError, match=r"\btiny\b.*\b9\b.*\b5\b.*\b4$"):  # the trial, how many there are, the last one
        find_trial(RESULTS, 9, "tiny")
    with pytest.raises(ConfigError, match=r"\btiny\b.*\b0\b"):
        find_trial([], 0, "tiny")
