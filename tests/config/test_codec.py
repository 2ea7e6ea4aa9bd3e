"""Frozen values to JSON and back: numbers that JSON lacks, whole numbers as keys, values inside values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from branchsweep.config.codec import Inline, from_data, from_json, json_name, to_data, to_json, to_public_json
from branchsweep.trial import Params, Trial
from config_strategies import reproducible, texts


@dataclass(frozen=True)
class Inner:
    name: str | None
    by_epoch: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Outer:
    number: int
    score: float
    inner: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    pair: tuple[str, float] | None = None


@dataclass(frozen=True)
class Renamed:
    number: Annotated[int, json_name("count")]


@dataclass(frozen=True)
class Around:
    first: int
    inner: Inline[Inner]
    metrics: Inline[Mapping[str, float]]
    last: Renamed


numbers = st.floats()  # with NaN and infinities

inners = st.builds(
    Inner,
    st.none() | texts,
    st.dictionaries(st.integers(), st.lists(numbers, max_size=3).map(tuple), max_size=3),
    st.dictionaries(texts, st.booleans(), max_size=3),
)

outers = st.builds(
    Outer,
    st.integers(),
    numbers,
    st.lists(inners, max_size=3).map(tuple),
    st.dictionaries(texts, inners, max_size=3),
    st.none() | st.tuples(texts, numbers),
)

params = st.dictionaries(
    texts, st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts, max_size=6
)


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


@reproducible
@given(outers)
def test_a_value_is_read_back_from_its_json(value: Outer) -> None:
    assert repr(from_json(Outer, to_json(value))) == repr(value)  # NaN equals nothing, but has one representation


@reproducible
@given(outers)
def test_the_json_is_strict(value: Outer) -> None:
    json.loads(to_json(value), parse_constant=_refuse)
    assert json.loads(to_json(value)) == json.loads(json.dumps(to_data(value)))


@reproducible
@given(outers)
def test_json_for_other_programs_has_null_for_what_is_no_number(value: Outer) -> None:
    data = json.loads(to_public_json(value), parse_constant=_refuse)
    assert data["score"] == (value.score if math.isfinite(value.score) else None)
    assert data["number"] == value.number and len(data["inner"]) == len(value.inner)


def test_json_for_other_programs_is_ascii_unless_it_need_not_be() -> None:
    inner = Inner("½")
    assert to_public_json(inner).isascii() and "½" in to_public_json(inner, ascii_only=False)
    assert json.loads(to_public_json(inner)) == json.loads(to_public_json(inner, ascii_only=False))


def test_a_field_with_an_alias_has_that_name_in_json() -> None:
    assert to_data(Renamed(3)) == {"count": 3}
    assert from_data(Renamed, {"count": 3}) == Renamed(3)


def test_inlined_entries_are_in_the_place_of_their_field() -> None:
    value = Around(1, Inner("n", {2: (math.nan,)}), {"r2": 0.5, "rmse": math.inf}, Renamed(3))
    data = json.loads(to_public_json(value))
    assert list(data) == ["first", "name", "by_epoch", "flags", "r2", "rmse", "last"]
    assert data == {
        "first": 1,
        "name": "n",
        "by_epoch": {"2": [None]},
        "flags": {},
        "r2": 0.5,
        "rmse": None,
        "last": {"count": 3},
    }


@reproducible
@given(st.integers(0), params, texts)
def test_the_params_of_a_trial_keep_their_types(number: int, values: Params, known: str) -> None:
    trial = Trial(number, values, known)
    restored = from_json(Trial, to_json(trial))
    assert restored == trial
    assert {name: type(value) for name, value in restored.params.items()} == {
        name: type(value) for name, value in values.items()
    }


@pytest.mark.parametrize(
    "data",
    [{"score": 1.0}, {"number": 1, "score": "high"}, {"number": 1.5, "score": 1.0}, [], "text", None],
    ids=["a field is missing", "text for a number", "a fraction for an integer", "a list", "a text", "nothing"],
)
def test_data_of_another_type_is_refused(data: Any) -> None:
    with pytest.raises(ValidationError):
        from_data(Outer, data)


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        from_json(Outer, "{")
