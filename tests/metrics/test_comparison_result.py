"""The result of a comparison as JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from branchsweep.metrics.comparison_result import ComparisonResult
from contracts.comparison_results import example_comparison, example_contestant, example_difference


def test_json_gives_the_result_back_with_all_its_types() -> None:
    contestant = example_contestant("branched", 0.9, recipes=({"": {"flag": True, "count": 1, "rate": 1.0}},))
    result = replace(example_comparison(), contestants=(contestant,))
    loaded = ComparisonResult.from_json(result.to_json())
    assert repr(loaded) == repr(result)  # types, and NaN as NaN
    assert replace(loaded, sharing=()) == replace(result, sharing=())
    assert loaded.to_json() == result.to_json()


def test_numbers_are_exact_to_the_last_digit() -> None:
    halves = (0.1 + 0.2, 1 / 3, 5e-324, -1e300, -0.0)
    result = example_comparison(contestants=(example_contestant("branched", 0.9, scores={"PE": halves}),))
    (loaded,) = ComparisonResult.from_json(result.to_json()).contestants
    assert loaded.scores["PE"] == halves
    assert math.copysign(1, loaded.scores["PE"][-1]) == -1


def test_nan_is_null_and_infinities_are_strings() -> None:
    extreme = replace(example_difference("PE", "first", "second", 0.0), f=math.inf, p=math.nan, effect=-math.inf)
    text = example_comparison(differences=(extreme,)).to_json()
    data = json.loads(text, parse_constant=lambda constant: f"no JSON: {constant}")
    assert [data["differences"][0][name] for name in ("f", "p", "effect")] == ["inf", None, "-inf"]
    assert data["contestants"][-1]["cost"]["parameters"] is None
    (loaded,) = ComparisonResult.from_json(text).differences
    assert repr(loaded) == repr(extreme)
    cost = ComparisonResult.from_json(text).contestants[-1].cost
    assert cost.parameters is None
    assert math.isnan(cost.latency)


def test_text_is_not_escaped() -> None:
    assert "cm Hg" in example_comparison().to_json()
    assert "'Ω'" in example_comparison().to_json()


def test_fields_keep_their_names_in_json() -> None:
    data = json.loads(example_comparison().to_json())
    assert set(data) >= {"comparison", "question", "contestants", "differences", "transfer", "conclusions", "sharing"}
    contestant = {"name", "description", "r2", "rmse", "cost", "recipes", "failure"}
    assert set(data["contestants"][0]) == contestant
    assert set(data["differences"][0]) >= {"head", "contestant", "reference", "difference", "p_adjusted"}
    assert set(data["sharing"][0]) == {"layers", "r2", "parameters"}


def test_a_result_of_an_earlier_version_is_read() -> None:
    """Its fields have other names; it has no metric of the scores, for all of them were R², no settings and no codes."""
    result = example_comparison()
    names = {
        "contestants": "measured",
        "differences": "contrasts",
        "conclusions": "answer",
        "description": "what",
        "failure": "failed",
    }
    of_differences = {"head": "figure", "contestant": "one", "reference": "other"}
    data = {names.get(name, name): value for name, value in json.loads(result.to_json()).items()}
    data["measured"] = [{names.get(name, name): value for name, value in one.items()} for one in data["measured"]]
    for pairs in ("contrasts", "transfer"):
        data[pairs] = [{of_differences.get(name, name): value for name, value in pair.items()} for pair in data[pairs]]
    del data["score_metrics"], data["settings"], data["warning_codes"]
    expected = replace(result, settings=None, warning_codes=())
    assert repr(ComparisonResult.from_json(json.dumps(data))) == repr(expected)


def test_json_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="conclusions"):
        ComparisonResult.from_json(json.dumps({**json.loads(example_comparison().to_json()), "conclusions": 5}))
