"""Properties of YAML and of overrides, for experiments, search spaces and comparisons of any content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import comparison_key_fields, sweep_key_fields
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.yaml.loading import load_comparison, load_experiment
from branchsweep.config.yaml.recorded import dump_space_yaml, dump_yaml, parse_recorded_comparison, parse_recorded_experiment
from branchsweep.config.yaml.yaml_parser import parse_yaml, write_yaml
from config_strategies import FOR_ALL_HEADS, comparisons, experiments, reproducible, texts, values

PLANT = """\
name: plant
table: {source: /tables/plant.csv, inputs: [AT, RH]}
heads: {PE: {}, V: {}}
space: {dimensions: {trunk.depth: {type: int, low: 1, high: 4}}}
search: {trials: 8}
fit: {epochs: 50}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


def written(folder: Path, text: str) -> Path:
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@reproducible
@given(experiments())
def test_an_experiment_is_read_back_from_its_yaml(folder: Path, experiment: Experiment) -> None:
    text = dump_yaml(experiment)
    assert parse_recorded_experiment(text, "x.yaml") == experiment
    if experiment.baselines != ["/baselines/network.yaml"]:  # a file of a baseline would have to be there
        assert load_experiment(written(folder, text)) == experiment


@reproducible
@given(experiments())
def test_a_search_space_is_read_back_from_its_yaml(experiment: Experiment) -> None:
    data, _ = parse_yaml(dump_space_yaml(experiment), "y.yaml")
    assert SearchSpace.model_validate(data, strict=True) == experiment.space
    assert list(data["dimensions"]) == list(experiment.space.dimensions)


@reproducible
@given(comparisons())
def test_a_comparison_is_read_back_from_its_yaml(folder: Path, comparison: Comparison) -> None:
    text = dump_yaml(comparison)
    assert parse_recorded_comparison(text, "c.yaml") == comparison
    if comparison.experiment.baselines != ["/baselines/network.yaml"]:
        assert load_comparison(written(folder, text)) == comparison


@reproducible
@given(experiments())
def test_an_experiment_that_was_read_back_is_the_same_sweep(experiment: Experiment) -> None:
    restored = parse_recorded_experiment(dump_yaml(experiment), "x.yaml")
    assert repr(sweep_key_fields(restored)) == repr(sweep_key_fields(experiment))


@reproducible
@given(comparisons())
def test_a_comparison_that_was_read_back_is_the_same_comparison(comparison: Comparison) -> None:
    restored = parse_recorded_comparison(dump_yaml(comparison), "c.yaml")
    assert repr(comparison_key_fields(restored)) == repr(comparison_key_fields(comparison))


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@reproducible
@given(st.dictionaries(texts, plain_data, max_size=4))
def test_plain_data_is_read_back_from_yaml_with_the_location_of_every_key(data: dict[str, Any]) -> None:
    value, locations = parse_yaml(write_yaml(data), "x.yaml")
    assert repr(value) == repr(data)
    assert all((key,) in locations and locations[(key,)].line >= 1 for key in data)


@reproducible
@given(texts, st.integers(1, 10**6), st.integers(0, 64), st.sampled_from(["best", "last"]))
def test_overrides_set_what_they_name_and_nothing_else(
    folder: Path, question: str, trials: int, pending_rounds: int, keep: str
) -> None:
    base = load_experiment(written(folder, PLANT))
    changed = load_experiment(
        folder / "x.yaml",
        [
            f"question={write_yaml({'question': question}).removeprefix('question: ')}",
            f"search.trials={trials}",
            f"search.pending_rounds={pending_rounds}",
            f"fit.keep={keep}",
        ],
    )
    search = base.search.model_copy(update={"trials": trials, "pending_rounds": pending_rounds})
    fit = base.fit.model_copy(update={"keep": keep})
    assert changed == base.model_copy(update={"question": question, "search": search, "fit": fit})


@reproducible
@given(
    st.sampled_from(FOR_ALL_HEADS).flatmap(
        lambda hyperparameter: st.tuples(st.just(hyperparameter.name), values(hyperparameter))
    )
)
def test_an_override_fixes_any_hyperparameter_at_any_of_its_values(folder: Path, setting: tuple[str, Any]) -> None:
    name, value = setting
    text = PLANT.replace("trunk.depth", "trunk.taper").replace("type: int, low: 1, high: 4", "type: float, low: 0.5, high: 1")
    if name != "trunk.taper":
        changed = load_experiment(written(folder, text), [f"space.fixed.{name}={value!r}"])
        assert dict(changed.space.fixed) == {name: value}


@reproducible
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_of_two_overrides_of_one_key_the_later_counts(folder: Path, first: int, second: int) -> None:
    changed = load_experiment(written(folder, PLANT), [f"search.trials={first}", f"search.trials={second}"])
    assert changed.search.trials == second
