"""Comparisons from YAML: the experiments in them keep their own files and lines, and what is dumped loads back."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from branchsweep.config.comparison import Comparison, Network, Single
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import hyperparameter_names
from branchsweep.config.yaml.json_schema import json_schema
from branchsweep.config.yaml.loading import is_comparison_file, is_space_file, load_comparison, load_experiment
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_comparison
from branchsweep.config.yaml.yaml_parser import read_document
from branchsweep.errors import ConfigError
from contracts.json_schemas import check_schema, undescribed_keys
from yaml_files import check_own_words, config_error, locations, replace_once, write_yaml

ROOT = Path(__file__).parents[3]
COMPARISONS = [path for path in sorted((ROOT / "experiments").glob("*.yaml")) if is_comparison_file(path)]

SPACE = """\
dimensions:
  trunk.depth: {type: int, low: 1, high: 4}
  PE.depth: {type: int, low: 0, high: 3}
"""

PLANT = """\
name: plant
table: ccpp
heads:
  PE: {unit: MW}
  V: {unit: cm Hg}
space: ../spaces/y.yaml
pruning: none
objective: min_r2
fit: {epochs: 5}
baselines: [linear_regression, old.yaml]
promotion: {model: plant}
"""

OLD = """\
name: old
table: ccpp
heads: {PE: {}, V: {}}
space:
  dimensions: {}
  fixed: {trunk.depth: 2}
"""

GOOD = """\
# Which contestant is best?
name: contest
experiment: experiments/plant.yaml
contestants:
  branched: {kind: network}
  flat:
    kind: network
    fixed: {PE.depth: 0}
  single: {kind: single}
  old: {kind: network, experiment: experiments/old.yaml}
  forest: {kind: estimator, estimator: random_forest}
  forest_chain: {kind: estimator, estimator: random_forest, chain: [PE, V]}
reference: branched
budget: {trials: 6}
transfer: {shared: flat, single: single}
sharing:
  layers: 2
  fixed: {trunk.width: 8}
"""

ROOT_KEYS = (
    "name, question, seed, experiment, contestants, reference, budget, tuning, validation, networks, alpha, "
    "equivalence_margin, transfer, sharing"
)
NAMES = ", ".join(hyperparameter_names(["PE", "V"]))
FILE_NOT_FOUND = "expected a YAML file, looked up from this file's folder and from the working directory"


@pytest.fixture(autouse=True)
def _in_a_folder_with_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_yaml(SPACE, "spaces/y.yaml")
    write_yaml(PLANT, "experiments/plant.yaml")
    write_yaml(OLD, "experiments/old.yaml")


def changed(old: str, new: str, text: str = GOOD) -> str:
    return replace_once(text, old, new)


def loaded(text: str = GOOD, *overrides: str) -> Comparison:
    return load_comparison(write_yaml(text, "c.yaml"), overrides)


def error_of(text: str, *overrides: str) -> ConfigError:
    """The error that loading raises."""
    return config_error(lambda: loaded(text, *overrides))


class TestExperiments:
    def test_a_path_is_replaced_by_the_experiment_in_its_file(self) -> None:
        comparison = loaded()
        assert comparison.experiment == load_experiment(Path("experiments/plant.yaml"))
        old = comparison.contestants["old"]
        assert isinstance(old, Network)
        assert old.experiment == load_experiment(Path("experiments/old.yaml"))

    def test_experiments_are_found_from_the_folder_of_the_comparison_then_from_the_working_directory(self) -> None:
        path = write_yaml(GOOD, "experiments/c.yaml")
        assert load_comparison(path).experiment.name == "plant"
        write_yaml(PLANT.replace("name: plant", "name: nearer"), "experiments/experiments/plant.yaml")
        write_yaml(SPACE, "experiments/spaces/y.yaml")
        write_yaml(OLD, "experiments/experiments/old.yaml")
        assert load_comparison(path).experiment.name == "nearer"

    def test_paths_in_an_experiment_are_relative_to_its_own_folder(self, tmp_path: Path) -> None:
        write_yaml(PLANT.replace("table: ccpp", "table: {source: plant.csv, inputs: [AT, AP, RH]}"), "experiments/plant.yaml")
        write_yaml("", "plant.csv")
        assert loaded().experiment.table.source == str(tmp_path / "plant.csv")
        write_yaml("", "experiments/plant.csv")
        experiment = loaded().experiment
        assert experiment.table.source == str(tmp_path / "experiments" / "plant.csv")
        assert experiment.baselines == ["linear_regression", str(tmp_path / "experiments" / "old.yaml")]

    def test_an_experiment_may_be_given_inline(self) -> None:
        text = changed("experiments/plant.yaml", "{name: plant, table: ccpp, heads: {PE: {}, V: {}}, space: spaces/y.yaml}")
        assert list(loaded(text).experiment.space.dimensions) == ["trunk.depth", "PE.depth"]


ESTIMATOR_KEYS = "estimator, fixed, space, trials, kind, chain"
MISTAKES = {
    # of the comparison
    "unknown key": (
        ("reference: branched", "refrence: branched"),
        f"c.yaml:13: unknown key 'refrence', expected one of {ROOT_KEYS}; did you mean 'reference'?",
    ),
    "unknown key of a kind": (
        ("{kind: single}", "{kind: single, chain: [PE, V]}"),
        "c.yaml:9: contestants.single: unknown key 'chain', expected one of kind, experiment, fixed",
    ),
    "unknown key of an estimator": (
        ("random_forest}", "random_forest, chian: [PE, V]}"),
        f"c.yaml:11: contestants.forest: unknown key 'chian', expected one of {ESTIMATOR_KEYS}; did you mean 'chain'?",
    ),
    "kind": (
        ("{kind: single}", "{kind: singel}"),
        "c.yaml:9: contestants.single.kind: got 'singel', expected one of network, single, estimator; did you mean 'single'?",
    ),
    "kind, missing": (
        ("{kind: single}", "{}"),
        "c.yaml:9: contestants.single: missing key 'kind', expected one of network, single, estimator",
    ),
    "kind, a word": (
        ("{kind: single}", "single"),
        "c.yaml:9: contestants.single: got 'single', expected a mapping with the key kind; did you mean {kind: single}?",
    ),
    "estimator": (
        ("random_forest}", "random_forrest}"),
        (
            "c.yaml:11: contestants.forest.estimator: got 'random_forrest', expected one of linear_regression, "
            "k_nearest_neighbors, support_vector_regression, random_forest, extra_trees, histogram_gradient_boosting, "
            "joint_k_nearest_neighbors, joint_random_forest, joint_extra_trees; did you mean 'random_forest'?"
        ),
    ),
    "estimator, missing": (
        ("forest: {kind: estimator, estimator: random_forest}", "forest: {kind: estimator}"),
        (
            "c.yaml:11: contestants.forest: missing key 'estimator', expected one of linear_regression, "
            "k_nearest_neighbors, support_vector_regression, random_forest, extra_trees, histogram_gradient_boosting, "
            "joint_k_nearest_neighbors, joint_random_forest, joint_extra_trees"
        ),
    ),
    "name of a contestant": (
        ("  forest: {", "  my forest: {"),
        (
            "c.yaml:11: contestants.my forest: got 'my forest', expected a name"
            " (at most 100 letters, digits, _ and -, a letter or _ first)"
        ),
    ),
    "one contestant": (
        (GOOD[GOOD.index("  flat:") : GOOD.index("reference")], ""),
        "c.yaml:4: contestants: got a mapping, expected a mapping with 2 to 100 entries",
    ),
    "budget": (("trials: 6", "trials: 0"), "c.yaml:14: budget.trials: got 0, expected a whole number from 1 to 1000000"),
    "fixed": (
        ("{PE.depth: 0}", "{PE.dpeth: 0}"),
        (
            f"c.yaml:8: contestants.flat.fixed.PE.dpeth: got 'PE.dpeth', expected the name of a hyperparameter ({NAMES}); "
            "did you mean 'PE.depth'?"
        ),
    ),
    "fixed, out of bounds": (
        ("{PE.depth: 0}", "{PE.depth: 99}"),
        "c.yaml:8: contestants.flat.fixed.PE.depth: got 99, expected a whole number from 0 to 16",
    ),
    "fixed, a list": (
        ("{PE.depth: 0}", "{PE.depth: [0]}"),
        "c.yaml:8: contestants.flat.fixed.PE.depth: got a list, expected one value (a number, a word, true or false)",
    ),
    "reference": (
        ("reference: branched", "reference: brached"),
        "c.yaml:13: reference: got 'brached', expected a contestant; did you mean 'branched'?",
    ),
    "chain": (
        ("chain: [PE, V]", "chain: [PE]"),
        "c.yaml:12: contestants.forest_chain.chain: got PE, expected each of the heads PE, V once",
    ),
    "chain, an entry": (
        ("chain: [PE, V]", "chain: [PE, 3]"),
        (
            "c.yaml:12: contestants.forest_chain.chain[1]: got 3, expected a name"
            " (at most 100 letters, digits, _ and -, a letter or _ first)"
        ),
    ),
    "transfer": (
        ("single: single}", "single: forest}"),
        "c.yaml:15: transfer.single: got 'forest', expected a contestant of kind single",
    ),
    "sharing, a depth": (
        ("{trunk.width: 8}", "{trunk.width: 8, trunk.depth: 2}"),
        "c.yaml:18: sharing.fixed.trunk.depth: depths, and where branches begin, are varied here: see sharing.layers",
    ),
    # where an experiment should be
    "experiment, missing": (
        ("experiment: experiments/plant.yaml\n", ""),
        "c.yaml:2: missing key 'experiment', expected a path to an experiment (.yaml)",
    ),
    "experiment, misspelled": (
        ("experiment: experiments/plant.yaml", "experimnt: experiments/plant.yaml"),
        f"c.yaml:3: unknown key 'experimnt', expected one of {ROOT_KEYS}; did you mean 'experiment'?",
    ),
    "experiment, a number": (
        ("experiments/plant.yaml", "3"),
        "c.yaml:3: experiment: got 3, expected a path to an experiment (.yaml)",
    ),
    "experiment that is not there": (
        ("experiments/plant.yaml", "experiments/palnt.yaml"),
        f"c.yaml:3: experiment: got 'experiments/palnt.yaml', {FILE_NOT_FOUND}; did you mean 'experiments/plant.yaml'?",
    ),
    "experiment of a contestant that is not there": (
        ("experiments/old.yaml", "odl.yaml"),
        f"c.yaml:10: contestants.old.experiment: got 'odl.yaml', {FILE_NOT_FOUND}",
    ),
    "experiment that is a comparison": (
        ("experiments/old.yaml", "c.yaml"),
        "c.yaml:10: contestants.old.experiment: got 'c.yaml', which is a comparison, expected a path to an experiment",
    ),
    "space of an experiment that is written out": (
        ("experiments/plant.yaml", "{name: plant, table: ccpp, heads: {PE: {}, V: {}}, space: spaces/z.yaml}"),
        f"c.yaml:3: experiment.space: got 'spaces/z.yaml', {FILE_NOT_FOUND}",
    ),
    "value in an experiment that is written out": (
        ("experiments/plant.yaml", "{name: plant, table: ccpp, heads: {PE: {loss: mea}, V: {}}, space: spaces/y.yaml}"),
        "c.yaml:3: experiment.heads.PE.loss: got 'mea', expected one of mse, mae, huber; did you mean 'mae'?",
    ),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_the_message_of_a_mistake_says_where_it_is_what_was_given_and_what_is_expected(
    change: tuple[str, str], message: str
) -> None:
    assert str(error_of(changed(*change))) == message


def test_no_message_comes_from_pydantic() -> None:
    check_own_words(error_of(changed(*change)) for change, _ in MISTAKES.values())


class TestMistakesInside:
    @pytest.mark.parametrize(
        ("change", "line", "key", "values"),
        [
            (("V: {unit: cm Hg}", "V: {loss: mea}"), 5, "heads.V.loss", ["'mea'", "mse, mae, huber", "'mae'"]),
            (("fit: {epochs", "fit: {epcohs"), 9, "fit", ["'epcohs'", "epochs, steps, keep, early_stopping", "'epochs'"]),
            (("name: plant\n", ""), 1, "", ["'name'"]),
            (("table: ccpp", "table: cppp"), 2, "table", ["'cppp'", "'ccpp'"]),
            (("../spaces/y.yaml", "../spaces/z.yaml"), 6, "space", ["'../spaces/z.yaml'"]),
            (("min_r2", "min_r3"), 8, "objective.maximize[0]", ["'min_r3'", "mean_r2, "]),
            (("old.yaml", "odl.yaml"), 10, "baselines[1]", ["'odl.yaml'"]),
            (("V: {unit: cm Hg}", "V: {column: PE}"), 5, "heads.V", ["'PE'"]),
        ],
    )
    def test_errors_have_the_experiments_file_and_line(
        self, change: tuple[str, str], line: int, key: str, values: list[str]
    ) -> None:
        write_yaml(changed(*change, PLANT), "experiments/plant.yaml")
        error = error_of(GOOD)
        assert locations(error) == [(f"experiments/plant.yaml:{line}", key)]
        assert [value for value in values if value not in error.message] == []

    def test_errors_have_the_spaces_file_and_line(self) -> None:
        write_yaml(changed("high: 4", "high: 40", SPACE), "spaces/y.yaml")
        assert locations(error_of(GOOD)) == [("spaces/y.yaml:2", "dimensions.trunk.depth.high")]

    def test_errors_equal_those_of_loading_the_experiment_alone(self) -> None:
        write_yaml(changed("type: int, low: 1", "type: itn, hihg: 1", SPACE), "spaces/y.yaml")
        write_yaml(changed("epochs: 5", "epochs: 0", PLANT), "experiments/plant.yaml")
        with pytest.raises(ConfigError) as alone:
            load_experiment(Path("experiments/plant.yaml"))
        assert str(error_of(GOOD)) == str(alone.value)
        assert error_of(GOOD).mistakes == alone.value.mistakes

    def test_errors_of_several_files_are_reported_together(self) -> None:
        write_yaml(changed("high: 4", "high: 40", SPACE), "spaces/y.yaml")
        write_yaml(changed("epochs: 5", "epochs: 0", PLANT), "experiments/plant.yaml")
        write_yaml(changed("trunk.depth: 2", "trunk.dpeth: 2", OLD), "experiments/old.yaml")
        text = changed("reference: branched", "reference: brached").replace("trials: 6", "trials: 0")
        assert [where for where, _ in locations(error_of(text))] == [
            "c.yaml:13",
            "c.yaml:14",
            "experiments/plant.yaml:9",
            "spaces/y.yaml:2",
            "experiments/old.yaml:6",
        ]

    def test_other_heads_are_an_error_where_the_contestant_names_the_experiment(self) -> None:
        write_yaml(changed("{PE: {}, V: {}}", "{PE: {}}", OLD), "experiments/old.yaml")
        error = error_of(GOOD)
        assert locations(error) == [("c.yaml:10", "contestants.old.experiment")]
        assert re.findall(r"\{.*?\}|\[.*?\]", error.message) == [
            "{'PE': 'PE'}",
            "['AT', 'AP', 'RH']",
            "{'PE': 'PE', 'V': 'V'}",
            "['AT', 'AP', 'RH']",
        ]

    def test_an_invalid_table_gives_one_error(self) -> None:
        write_yaml(changed("table: ccpp", "table: {source: 3, inputs: [AT, AP, RH]}", PLANT), "experiments/plant.yaml")
        assert locations(error_of(GOOD)) == [("experiments/plant.yaml:2", "table.source")]

    def test_an_unknown_kind_gives_one_error(self) -> None:
        text = changed("{kind: single}", "{kind: singel}").replace("reference: branched", "reference: single")
        assert locations(error_of(text)) == [("c.yaml:9", "contestants.single.kind")]

    def test_an_empty_experiment_gives_an_error_for_each_missing_key(self) -> None:
        write_yaml("{}", "experiments/old.yaml")
        error, missing = error_of(GOOD), ("name", "table", "heads", "space")
        assert locations(error) == [("experiments/old.yaml:1", "")] * len(missing)
        assert [f"'{key}'" in mistake.message for key, mistake in zip(missing, error.mistakes, strict=True)] == [True] * 4


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "path", "value"),
        [
            ("budget.trials=8", ("budget", "trials"), 8),
            ("reference=flat", ("reference",), "flat"),
            ("experiment.fit.epochs=20", ("experiment", "fit", "epochs"), 20),
            ("experiment.table.duplicates=drop", ("experiment", "table", "duplicates"), "drop"),
            ("experiment.objective.choose=min_r2", ("experiment", "objective", "choose"), "min_r2"),
            ("experiment.pruning.keep=0.3", ("experiment", "pruning", "keep"), 0.3),
            (
                "experiment.space.dimensions.trunk.depth.high=2",
                ("experiment", "space", "dimensions", "trunk.depth", "high"),
                2,
            ),
            ("experiment=experiments/old.yaml", ("experiment", "name"), "old"),
            ("contestants.flat.experiment=experiments/old.yaml", ("contestants", "flat", "experiment", "name"), "old"),
            ("contestants.old.experiment.fit.epochs=7", ("contestants", "old", "experiment", "fit", "epochs"), 7),
            ("contestants.single.fixed.trunk.depth=2", ("contestants", "single", "fixed", "trunk.depth"), 2),
            ("contestants.flat.fixed.PE.depth=1", ("contestants", "flat", "fixed", "PE.depth"), 1),
            ("contestants.line={kind: estimator, estimator: linear_regression}", ("contestants", "line", "kind"), "estimator"),
            ("sharing=null", ("sharing",), None),
        ],
    )
    def test_an_override_sets_the_key_that_it_names(self, override: str, path: tuple[str, ...], value: Any) -> None:
        value_at_path: Any = loaded(GOOD, override).model_dump()
        for key in path:
            value_at_path = value_at_path[key]
        assert value_at_path == value

    def test_an_override_changes_an_experiment_named_by_an_earlier_override(self) -> None:
        experiment = loaded(GOOD, "experiment=experiments/old.yaml", "experiment.fit.epochs=9").experiment
        assert (experiment.name, experiment.fit.epochs) == ("old", 9)

    def test_a_space_is_found_from_the_folder_of_its_experiment(self) -> None:
        write_yaml("dimensions: {}", "experiments/near.yaml")
        assert loaded(GOOD, "experiment.space=near.yaml").experiment.space.dimensions == {}

    @pytest.mark.parametrize(
        ("override", "key", "values"),
        [
            ("experiment.fit.epochs=0", "experiment.fit.epochs", ["0", "1"]),
            ("experiment.fit.epcohs=9", "experiment.fit", ["'epcohs'", "epochs, steps, keep, early_stopping", "'epochs'"]),
            ("experiment.space=z.yaml", "experiment.space", ["'z.yaml'"]),
            (
                "contestants.singel.fixed.trunk.depth=2",
                "contestants",
                ["'singel'", "branched, flat, single, old, forest, forest_chain", "'single'"],
            ),
            ("contestants.single.fixed.trunk.depth=99", "contestants.single.fixed.trunk.depth", ["99", "16"]),
            ("contestants.old.experiment=nowhere.yaml", "contestants.old.experiment", ["'nowhere.yaml'"]),
        ],
    )
    def test_errors_name_the_override(self, override: str, key: str, values: list[str]) -> None:
        error = error_of(GOOD, override)
        assert locations(error) == [(f"--set {override}", key)]
        assert [value for value in values if value not in error.mistakes[0].message] == []

    def test_an_override_of_a_contestant_without_an_experiment_is_an_error(self) -> None:
        error = error_of(GOOD, "contestants.single.experiment.fit.epochs=20")
        assert locations(error) == [("c.yaml:9", "contestants.single.experiment")]
        assert "contestants.single.experiment=PATH" in error.message and "(experiment.fit.epochs)" in error.message
        overrides = ("contestants.single.experiment=experiments/old.yaml", "contestants.single.experiment.fit.epochs=20")
        single = loaded(GOOD, *overrides).contestants["single"]
        assert isinstance(single, Single) and single.experiment
        assert single.experiment.fit.epochs == 20

    def test_a_missing_experiment_is_an_error_where_it_is_named(self) -> None:
        text = changed("experiments/plant.yaml", "nowhere.yaml")
        error = error_of(text, "experiment.fit.epochs=20")
        assert locations(error) == [("c.yaml:3", "experiment")] and "'nowhere.yaml'" in error.message


class TestKinds:
    def test_a_comparison_file_has_contestants(self) -> None:
        assert is_comparison_file(write_yaml(GOOD, "c.yaml"))
        assert not is_comparison_file(Path("experiments/plant.yaml"))
        assert not is_comparison_file(Path("spaces/y.yaml"))
        assert not is_space_file(write_yaml("experiment: x.yaml\ncontestants: {}\n"))

    def test_loading_a_comparison_as_an_experiment_is_an_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load_experiment(write_yaml(GOOD, "c.yaml"))
        assert caught.value.where == "c.yaml:4" and "'branchsweep compare c.yaml'" in caught.value.message

    def test_loading_an_experiment_as_a_comparison_is_an_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load_comparison(Path("experiments/plant.yaml"))
        assert caught.value.where == "experiments/plant.yaml:1"
        assert "'branchsweep run experiments/plant.yaml'" in caught.value.message


class TestDump:
    def test_a_dumped_comparison_is_loaded_back(self) -> None:
        comparison = loaded()
        assert loaded(dump_yaml(comparison)) == comparison

    def test_a_dump_needs_no_other_file(self) -> None:
        comparison = loaded()
        text = dump_yaml(comparison)
        for name in ("spaces/y.yaml", "experiments/plant.yaml", "experiments/old.yaml"):
            Path(name).unlink()
        assert parse_recorded_comparison(text, "recorded") == comparison

    def test_a_dump_keeps_the_order_of_contestants(self) -> None:
        comparison = parse_recorded_comparison(dump_yaml(loaded()), "recorded")
        assert list(comparison.contestants) == ["branched", "flat", "single", "old", "forest", "forest_chain"]

    @pytest.mark.parametrize("text", ["", "a word", "name: x\nfuture: 1\n", PLANT])
    def test_an_invalid_recorded_comparison_is_an_error(self, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_recorded_comparison(text, "recorded")
        assert {mistake.where.partition(":")[0] for mistake in caught.value.mistakes} == {"recorded"}


class TestShipped:
    def test_a_comparison_is_shipped(self) -> None:
        assert COMPARISONS

    @pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.name)
    def test_a_comparison_loads_and_loads_back(self, path: Path) -> None:
        with contextlib.chdir(ROOT):
            comparison = load_comparison(path)
        assert loaded(dump_yaml(comparison)) == comparison
        jsonschema.validate(read_document(path).data, json_schema("comparison"))
        assert path.read_text(encoding="utf-8").startswith("#"), "a file opens with its question, its command, its time"


class TestSchema:
    def test_the_schema_is_valid(self) -> None:
        check_schema(json_schema("comparison"))

    @pytest.mark.parametrize("experiment", ["experiments/plant.yaml", "{name: x, table: ccpp, heads: {PE: {}}, space: y.yaml}"])
    def test_the_schema_accepts_paths_and_experiments_with_their_shorthands(self, experiment: str) -> None:
        data = read_document(write_yaml(changed("experiments/plant.yaml", experiment))).data
        jsonschema.validate(data, json_schema("comparison"))

    @pytest.mark.parametrize(
        "mistake",
        [
            "unknown key", "unknown key of a kind", "unknown key of an estimator", "kind", "kind, missing", "kind, a word",
            "estimator", "estimator, missing", "name of a contestant", "one contestant", "budget", "fixed",
            "fixed, out of bounds", "fixed, a list", "experiment, missing", "experiment, misspelled", "experiment, a number",
            "value in an experiment that is written out",
        ],
    )  # fmt: skip
    def test_the_schema_refuses_what_does_not_load(self, mistake: str) -> None:
        change, _ = MISTAKES[mistake]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(read_document(write_yaml(changed(*change))).data, json_schema("comparison"))

    def test_the_schema_describes_every_key(self) -> None:
        assert undescribed_keys(json_schema("comparison")) == {"type", "method", "kind"}

    def test_the_schema_contains_that_of_an_experiment(self) -> None:
        alone = {key: value for key, value in json_schema("experiment").items() if key not in {"$schema", "$defs"}}
        assert json_schema("comparison")["$defs"][Experiment.__name__] == alone
