"""Keys that were renamed are still read by their old names: in files, in overrides, and in what stores recorded."""

from __future__ import annotations

import warnings
from pathlib import Path

import jsonschema
import pytest

from branchsweep.config.yaml.json_schema import json_schema
from branchsweep.config.yaml.loading import load_comparison, load_experiment
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_comparison, parse_recorded_experiment
from branchsweep.config.yaml.yaml_parser import read_document
from branchsweep.errors import ConfigError, DeprecatedKeyWarning
from yaml_files import replace_once, write_yaml

NEW = """\
name: plant
table: {source: plant.csv, inputs: [AT, RH]}
heads: {PE: {}, V: {}}
space: {dimensions: {trunk.depth: {type: int, low: 1, high: 4}}}
search:
  trials: 8
  initial_trials:
    article: {trunk.depth: 2}
  pending_rounds: 3
"""

OLD = replace_once(replace_once(NEW, "initial_trials", "known"), "pending_rounds", "ahead")

COMPARISON = """\
name: contest
experiment: plant.yaml
contestants:
  branched: {kind: network}
  other: {kind: network, experiment: plant.yaml}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def renamed(notices: pytest.WarningsRecorder) -> list[tuple[str, str, str]]:
    """Location, old name and new name of each notice, all of which its line names."""
    named = []
    for notice in notices:
        assert isinstance(notice.message, DeprecatedKeyWarning)
        named.append((notice.message.where, notice.message.old, notice.message.new))
        assert all(value in str(notice.message) for value in named[-1]) and "\n" not in str(notice.message)
    return named


def test_an_experiment_with_the_old_keys_equals_that_with_the_new_keys() -> None:
    with pytest.warns(DeprecatedKeyWarning) as notices:
        old = load_experiment(write_yaml(OLD))
    assert old == load_experiment(write_yaml(NEW))
    assert renamed(notices) == [
        ("x.yaml:7", "search.known", "search.initial_trials"),
        ("x.yaml:9", "search.ahead", "search.pending_rounds"),
    ]


def test_the_new_keys_give_no_notice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_experiment(write_yaml(NEW), ["search.initial_trials.article.trunk.depth=3", "search.pending_rounds=1"])


@pytest.mark.parametrize(
    ("override", "location"),
    [
        ("search.known.article.trunk.depth=3", "--set search.known.article.trunk.depth=3"),
        ("search.known={article: {trunk.depth: 3}}", "--set search.known={article: {trunk.depth: 3}}"),
        ("search={known: {article: {trunk.depth: 3}}}", "--set search={known: {article: {trunk.depth: 3}}}"),
    ],
)
@pytest.mark.parametrize("text", [OLD, NEW])
def test_an_override_may_use_the_old_name_of_a_key(text: str, override: str, location: str) -> None:
    with pytest.warns(DeprecatedKeyWarning) as notices:
        experiment = load_experiment(write_yaml(text), [override])
    assert renamed(notices)[-1] == (location, "search.known", "search.initial_trials")
    assert experiment.search.initial_trials == {"article": {"trunk.depth": 3}}


def test_an_override_by_the_new_name_changes_the_value_given_by_the_old_name() -> None:
    with pytest.warns(DeprecatedKeyWarning):
        experiment = load_experiment(write_yaml(OLD), ["search.initial_trials.article.trunk.depth=3"])
    assert experiment.search.initial_trials == {"article": {"trunk.depth": 3}}


def test_an_error_under_an_old_key_has_its_line() -> None:
    with pytest.warns(DeprecatedKeyWarning), pytest.raises(ConfigError) as caught:
        load_experiment(write_yaml(replace_once(OLD, "depth: 2", "depth: 0")))
    assert caught.value.where == "x.yaml:8"


def test_a_key_given_by_both_names_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write_yaml(NEW + "  ahead: 2\n"))
    (mistake,) = caught.value.mistakes
    assert (mistake.where, mistake.key) == ("x.yaml:10", "search.ahead")
    assert "'pending_rounds'" in mistake.message and "x.yaml:9" in mistake.message


def test_a_comparison_reads_experiments_with_the_old_keys() -> None:
    write_yaml(NEW, "plant.yaml")
    new = load_comparison(write_yaml(COMPARISON, "c.yaml"))
    write_yaml(OLD, "plant.yaml")
    with pytest.warns(DeprecatedKeyWarning) as notices:
        assert load_comparison(write_yaml(COMPARISON, "c.yaml")) == new
    assert renamed(notices)[0] == ("plant.yaml:7", "search.known", "search.initial_trials")


@pytest.mark.parametrize("prefix", ["experiment", "contestants.other.experiment"])
def test_an_override_by_an_old_key_changes_an_experiment_of_a_comparison(prefix: str) -> None:
    write_yaml(OLD, "plant.yaml")
    with pytest.warns(DeprecatedKeyWarning) as notices:
        comparison = load_comparison(write_yaml(COMPARISON, "c.yaml"), [f"{prefix}.search.ahead=5"])
    override = f"--set {prefix}.search.ahead=5"
    assert (override, f"{prefix}.search.ahead", f"{prefix}.search.pending_rounds") in renamed(notices)
    other = comparison.contestants["other"]
    assert other.kind == "network" and other.experiment is not None
    changed = comparison.experiment if prefix == "experiment" else other.experiment
    assert changed.search.pending_rounds == 5
    assert sorted([comparison.experiment.search.pending_rounds, other.experiment.search.pending_rounds]) == [3, 5]


def test_a_recorded_experiment_with_the_old_keys_is_read_without_a_notice() -> None:
    write_yaml(NEW, "plant.yaml")
    experiment, comparison = load_experiment(Path("plant.yaml")), load_comparison(write_yaml(COMPARISON, "c.yaml"))

    def as_recorded_before(text: str) -> str:
        return text.replace("initial_trials:", "known:").replace("pending_rounds:", "ahead:")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_recorded_experiment(as_recorded_before(dump_yaml(experiment)), "run") == experiment
        assert parse_recorded_comparison(as_recorded_before(dump_yaml(comparison)), "run") == comparison


def test_the_schema_marks_the_old_keys_as_deprecated() -> None:
    schema = json_schema("experiment")
    keys = schema["$defs"]["Search"]["properties"]
    assert {key for key, entry in keys.items() if entry.get("deprecated")} == {"known", "ahead"}
    for text in (OLD, NEW):
        jsonschema.validate(read_document(write_yaml(text)).data, schema)
