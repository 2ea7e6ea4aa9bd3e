"""Files without bounds: what is too large, too deep or too long is refused at once, with its line, by the schema too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from branchsweep.config.config_model import MAX_EPOCHS, MAX_SEED, MAX_TRIALS
from branchsweep.config.yaml.json_schema import FileKind, json_schema
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.config.yaml.yaml_parser import MAX_BYTES, MAX_DEPTH, MAX_NODES, read_document
from branchsweep.errors import MOST_MISTAKES, ConfigError
from yaml_files import replace_once, write_yaml

GOOD = """\
name: limits
seed: 1
table: {source: t.csv, inputs: [a, b]}
heads:
  y: {unit: MW}
space:
  dimensions:
    trunk.width: {type: choice, choices: [8, 16], ordered: true}
  fixed: {batch_size: 64}
search: {driver: random, trials: 6, batch: 6}
fit: {epochs: 5}
test: {fraction: 0.2, seed: 1}
validation: {method: hold_out, fraction: 0.2, seeds: 1}
"""

SECONDS = 10.0
"""Within which a file is read or refused, also on a busy machine."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error_of(text: str, *overrides: str) -> ConfigError:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_experiment(write_yaml(text), overrides)
    assert time.process_time() - started < SECONDS
    return caught.value


def changed(old: str, new: str) -> str:
    return replace_once(GOOD, old, new)


class TestSize:
    def test_a_file_is_read_up_to_its_limit_and_no_further(self) -> None:
        comment = "# a comment\n"
        room = MAX_BYTES - len(GOOD)
        assert load_experiment(write_yaml(GOOD + comment * (room // len(comment)))).name == "limits"
        assert error_of(GOOD + comment * (room // len(comment) + 1)).where == "x.yaml"

    def test_a_device_without_end_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=f"larger than {MAX_BYTES:,} bytes"):
            load_experiment(Path("/dev/zero"))

    @pytest.mark.parametrize(
        "text",
        [
            GOOD + "".join(f"key{number}: 1\n" for number in range(MAX_NODES)),
            changed("inputs: [a, b]", f"inputs: [{', '.join(f'c{number}' for number in range(2 * MAX_NODES))}]"),
            changed("{batch_size: 64}", "{" + ", ".join(f"word{number}: 64" for number in range(MAX_NODES)) + "}"),
        ],
    )
    def test_too_many_keys_and_values_are_refused(self, text: str) -> None:
        error = error_of(text)
        assert error.where.startswith("x.yaml:")
        assert f"{MAX_NODES:,} keys and values" in error.message

    def test_aliases_count_with_all_that_they_stand_for(self) -> None:
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in range(1, 10):
            bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
        error = error_of(bomb + GOOD)
        assert f"{MAX_NODES:,} keys and values" in error.message
        assert error.where == "x.yaml:5", "the key whose aliases stand for too much, not the line of their anchor"

    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{k: ", "}"), ("- ", "")])
    def test_what_is_nested_too_deeply_is_refused(self, opening: str, closing: str) -> None:
        error = error_of(changed("name: limits", f"name:\n  {opening * 900}1{closing * 900}"))
        assert error.where == "x.yaml:2"
        assert f"at most {MAX_DEPTH} within each other" in error.message

    def test_aliases_that_are_nested_too_deeply_are_refused(self) -> None:
        levels = "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 900))
        assert "nested too deeply" in error_of(f"a0: &a0 [1]\n{levels}").message

    def test_a_collection_with_a_tag_is_refused(self) -> None:
        error = error_of(changed("seed: 1\ntable", "seed: !!set {a, b}\ntable"))
        assert (error.where, "tag:yaml.org,2002:set" in str(error)) == ("x.yaml:2", True)

    def test_an_override_has_the_same_limits(self) -> None:
        assert "nested too deeply" in error_of(GOOD, f"name={'[' * 900}{']' * 900}").message


class TestNumbers:
    @pytest.mark.parametrize(
        ("override", "most"),
        [
            ("seed", MAX_SEED),
            ("test.seed", MAX_SEED),
            ("search.trials", MAX_TRIALS),
            ("search.patience", MAX_TRIALS),
            ("fit.epochs", MAX_EPOCHS),
            ("validation.seeds", 100),
            ("search.batch", 10_000),
            ("confirmation.trials", 1000),
            ("workers={kind: local, count", 1024),
        ],
    )
    def test_a_whole_number_has_an_upper_bound(self, override: str, most: int) -> None:
        close = "}" * override.count("{")
        separator = ": " if close else "="
        load_experiment(write_yaml(GOOD), [f"{override}{separator}{most}{close}"])
        for number in (most + 1, 2**63, 10**18, 10**299):
            message = error_of(GOOD, f"{override}{separator}{number}{close}").message
            assert f"to {most}" in message

    @pytest.mark.parametrize("digits", ["9" * 301, "9" * 5000, "0x" + "f" * 5000])
    def test_a_number_of_too_many_digits_is_refused_with_its_line(self, digits: str) -> None:
        assert str(error_of(changed("trials: 6", f"trials: {digits}"))).startswith(
            "x.yaml:10: search.trials: got a whole number"
        )

    @pytest.mark.parametrize("number", ["1e400", ".inf", "-.inf", ".nan"])
    @pytest.mark.parametrize("key", ["search.seconds", "search.target", "test.fraction", "space.fixed.learning_rate"])
    def test_a_number_must_be_finite(self, key: str, number: str) -> None:
        assert key in error_of(GOOD, f"{key}={number}").message

    def test_a_step_makes_a_bounded_number_of_values(self) -> None:
        dimension = "space.dimensions.learning_rate={type: float, low: 0.0, high: 1.0, step: 1.0e-320}"
        assert "which makes more than" in error_of(GOOD, dimension).message

    def test_a_constraint_has_a_number_that_is_finite(self) -> None:
        assert "r2/y >= 1e999" in error_of(GOOD, "objective={constraints: ['r2/y >= 1e999']}").message

    def test_the_networks_of_a_trial_are_bounded(self) -> None:
        message = error_of(GOOD, "validation={method: k_fold, folds: 100, seeds: 100}").message
        assert "10,000 networks per trial" in message

    def test_the_hyperparameters_of_a_trial_fit_into_its_record(self) -> None:
        heads = "".join(f"  h{number}: {{}}\n" for number in range(250))
        dimensions = "".join(f"    h{number}.taper: {{type: float, low: 0.5, high: 2.0}}\n" for number in range(250))
        text = changed("  y: {unit: MW}\n", heads).replace("  fixed:", f"{dimensions}  fixed:")
        assert "characters as JSON, expected at most 8,000" in error_of(text).message


class TestTexts:
    @pytest.mark.parametrize("length", [101, 300])
    @pytest.mark.parametrize(("before", "name", "after"), [("name: ", "limits", "\n"), ("  ", "y", ": {unit")])
    def test_a_name_is_at_most_a_hundred_letters_long(self, before: str, name: str, after: str, length: int) -> None:
        error = error_of(changed(before + name + after, before + "x" * length + after))
        assert "at most 100 letters" in error.message

    def test_a_name_of_a_hundred_letters_is_taken(self) -> None:
        assert load_experiment(write_yaml(GOOD), [f"name={'x' * 100}"]).name == "x" * 100

    @pytest.mark.parametrize("key", ["question", "heads.y.column", "heads.y.unit", "table.source", "table.sheet"])
    def test_a_text_has_a_longest_length(self, key: str) -> None:
        message = error_of(GOOD, f"{key}={'x' * 6000}.csv").message
        assert "expected a text of at most" in message
        assert len(message) < 1000

    @pytest.mark.parametrize("path", ["x" * 5000, "x/" * 2500, "~nobody-of-this-name/x"])
    def test_a_path_that_no_file_can_have_is_a_mistake(self, path: str) -> None:
        assert "space" in error_of(GOOD, f"space={path}.yaml").message
        assert "baselines[0]" in error_of(GOOD, f"baselines=[{path}.yaml]").message

    def test_a_path_with_a_nul_is_a_mistake(self) -> None:
        assert "expected a YAML file" in error_of(changed("name: limits\n", 'name: limits\nbaselines: ["a\\0.yaml"]\n')).message

    def test_a_file_name_that_no_file_can_have_is_an_error(self) -> None:
        for path in (Path("x" * 5000), Path("a\0.yaml"), Path("~nobody-of-this-name/x.yaml")):
            with pytest.raises(ConfigError):
                read_document(path)


class TestMessages:
    def test_twenty_mistakes_are_named_and_the_others_are_counted(self) -> None:
        unknown = "".join(f"key{number}: 1\n" for number in range(55))
        lines = str(error_of(GOOD + unknown)).splitlines()
        assert len(lines) == MOST_MISTAKES + 1
        assert lines[0].startswith("x.yaml:14: unknown key 'key0'") and lines[19].startswith("x.yaml:33: unknown key 'key19'")
        assert lines[-1] == "and 35 more mistakes"

    def test_of_very_many_mistakes_the_count_is_a_lower_bound(self) -> None:
        lines = str(error_of(GOOD + "".join(f"key{number}: 1\n" for number in range(9000)))).splitlines()
        assert (len(lines), lines[-1]) == (MOST_MISTAKES + 1, "and at least 8,980 more mistakes")

    def test_very_many_unknown_hyperparameters_take_no_time(self) -> None:
        fixed = "{" + ", ".join(f"trunk.dept{number}: 64" for number in range(2_000)) + "}"
        lines = str(error_of(changed("{batch_size: 64}", fixed))).splitlines()
        assert len(lines) == MOST_MISTAKES + 1

    def test_keys_that_stand_twice_are_counted_too(self) -> None:
        lines = str(error_of(GOOD + "seed: 1\n" * 40)).splitlines()
        assert (len(lines), lines[-1]) == (MOST_MISTAKES + 1, "and 20 more mistakes")

    def test_a_mistake_does_not_repeat_what_is_long(self) -> None:
        assert len(str(error_of(changed("unit: MW", f"loss: {'x' * 100_000}")))) < 1000


@pytest.mark.parametrize("kind", ["experiment", "space", "comparison"])
def test_the_schema_bounds_every_number_text_list_and_mapping(kind: FileKind) -> None:
    assert list(_unbounded(json_schema(kind), kind)) == []


@pytest.mark.parametrize("change", [("trials: 6", "trials: 1000000000000000000"), ("name: limits", f"name: {'x' * 101}")])
def test_editors_know_the_bounds(change: tuple[str, str]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_document(write_yaml(changed(*change))).data, json_schema("experiment"))


FREE_VALUES = ("/choices/items", "/when/anyOf/additionalProperties/items", "/low", "/high", "/missing/items")
"""Values of hyperparameters, whose bounds stand in the table of these, and values of a table."""


def _unbounded(schema: Any, path: str) -> Iterator[str]:
    """The paths of what may be of any size; values of hyperparameters and of tables apart, whose bounds stand elsewhere."""
    if isinstance(schema, list):
        for member in schema:
            yield from _unbounded(member, path)
    if not isinstance(schema, dict) or path.endswith(FREE_VALUES):
        return
    keywords = set(schema)
    is_bounded = {
        "integer": {"minimum", "exclusiveMinimum"} & keywords and {"maximum", "exclusiveMaximum"} & keywords,
        "number": {"minimum", "exclusiveMinimum"} & keywords and {"maximum", "exclusiveMaximum"} & keywords,
        "string": {"maxLength", "pattern", "enum", "const"} & keywords,
        "array": {"maxItems"} & keywords,
        "object": schema.get("additionalProperties") is False or {"maxProperties"} & keywords,
    }
    if not is_bounded.get(schema.get("type", ""), True):
        yield f"{path}: {json.dumps(schema)[:200]}"
    for keyword, value in schema.items():
        if keyword in {"properties", "patternProperties", "$defs"}:
            for name, member in value.items():
                yield from _unbounded(member, f"{path}/{name}")
        elif keyword in {"anyOf", "oneOf", "items", "additionalProperties"}:
            yield from _unbounded(value, f"{path}/{keyword}")
