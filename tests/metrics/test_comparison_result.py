"""What a comparison has found, as text and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from branchsweep.metrics.comparison_result import ComparisonResult
from contracts.comparison_results import example_comparison, example_contestant, example_difference


def test_text_gives_the_value_back_with_all_its_types() -> None:
    said = replace(
        example_comparison(),
        measured=(example_contestant("branched", 0.9, recipes=({"": {"flag": True, "count": 1, "rate": 1.0}},)),),
    )
    loaded = ComparisonResult.loads(said.dumps())
    assert repr(loaded) == repr(said)  # types, and NaN as NaN
    assert replace(loaded, sharing=()) == replace(said, sharing=())
    assert loaded.dumps() == said.dumps()


def test_numbers_are_exact_to_the_last_digit() -> None:
    halves = (0.1 + 0.2, 1 / 3, 5e-324, -1e300, -0.0)
    (loaded,) = ComparisonResult.loads(
        example_comparison(measured=(example_contestant("branched", 0.9, scores={"PE": halves}),)).dumps()
    ).measured
    assert loaded.scores["PE"] == halves
    assert math.copysign(1, loaded.scores["PE"][-1]) == -1


def test_what_is_no_number_is_json_all_the_same() -> None:
    odd = replace(example_difference("PE", "one", "other", 0.0), f=math.inf, p=math.nan, effect=-math.inf)
    text = example_comparison(contrasts=(odd,)).dumps()
    said = json.loads(text, parse_constant=lambda word: f"no JSON: {word}")
    assert [said["contrasts"][0][name] for name in ("f", "p", "effect")] == ["inf", None, "-inf"]
    assert said["measured"][-1]["cost"]["parameters"] is None
    (loaded,) = ComparisonResult.loads(text).contrasts
    assert repr(loaded) == repr(odd)
    cost = ComparisonResult.loads(text).measured[-1].cost
    assert cost.parameters is None
    assert math.isnan(cost.latency)


def test_text_is_read_by_people_too() -> None:
    assert "cm Hg" in example_comparison().dumps()
    assert "'Ω'" in example_comparison().dumps()
