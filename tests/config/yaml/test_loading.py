"""Experiments from YAML: every mistake has its line, every shipped file loads, what is dumped loads back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from branchsweep.config.estimator_names import ESTIMATORS
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, hyperparameter_names
from branchsweep.config.sections.dimensions import Float
from branchsweep.config.sections.heads import Head
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.table import Table
from branchsweep.config.yaml.bare_space import experiment_around_space
from branchsweep.config.yaml.file_paths import TABLE_SUFFIXES
from branchsweep.config.yaml.json_schema import json_schema
from branchsweep.config.yaml.loading import is_comparison_file, is_space_file, load_experiment
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.config.yaml.yaml_parser import parse_yaml, read_document
from branchsweep.data.tables import ENDINGS
from branchsweep.errors import ConfigError, HeadNameWarning
from contracts.json_schemas import check_schema, undescribed_keys
from yaml_files import check_own_words, config_error, locations, replace_once, write_yaml

ROOT = Path(__file__).parents[3]
EXPERIMENTS = [path for path in sorted((ROOT / "experiments").glob("*.yaml")) if not is_comparison_file(path)]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))

GOOD = """\
# What is asked here?
name: plant
table: {source: plant.csv, inputs: [AT, RH]}
heads:
  PE: {unit: MW}
  V:
    unit: cm Hg
    loss: huber
space:
  dimensions:
    trunk.depth: {type: int, low: 1, high: 4}
    learning_rate:
      type: float
      low: 1e-4
      high: 0.1
      log: true
    activation: {type: choice, choices: [relu, silu], when: {trunk.depth: [1, 2]}}
  fixed:
    PE.width: 16
search:
  driver: optuna
  trials: 8
  initial_trials:
    article: {trunk.depth: 2}
fit:
  epochs: 5
validation: {method: k_fold, folds: 3}
baselines: [linear_regression]
promotion: {model: plant}
"""

ALGORITHMS = "tpe, gp, cma_es, nsga2, nsga3, qmc, random, grid, brute_force"
SEARCH_KEYS = (
    "driver, algorithm, options, trials, seconds, target, patience, batch, first_batch, pending_rounds, repeats, warm_start, "
    "initial_trials, default_trial"
)
ROOT_KEYS = "name, question, seed, table, heads, targets, space, objective, search, fit, pruning, test, split, validation, "
ROOT_KEYS += "baselines, confirmation, promotion, workers"
NAMES = ", ".join(hyperparameter_names(["PE", "V"]))
FILE_NOT_FOUND = "expected a YAML file, looked up from this file's folder and from the working directory"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def changed(old: str, new: str) -> str:
    return replace_once(GOOD, old, new)


def loaded(text: str = GOOD, *overrides: str) -> Experiment:
    return load_experiment(write_yaml(text), overrides)


def error_of(text: str, *overrides: str) -> ConfigError:
    """The error that loading raises."""
    return config_error(lambda: loaded(text, *overrides))


EXPECTED_NAME = "expected a name (at most 100 letters, digits, _ and -, a letter or _ first)"
MISTAKES = {
    # what a value may be
    "choice": (
        ("loss: huber", "loss: mea"),
        "x.yaml:8: heads.V.loss: got 'mea', expected one of mse, mae, huber; did you mean 'mae'?",
    ),
    "choice, nothing near": (
        ("loss: huber", "loss: squares"),
        "x.yaml:8: heads.V.loss: got 'squares', expected one of mse, mae, huber",
    ),
    "choice, a number": (("loss: huber", "loss: 3"), "x.yaml:8: heads.V.loss: got 3, expected one of mse, mae, huber"),
    "text": (("unit: cm Hg", "unit: 3"), "x.yaml:7: heads.V.unit: got 3, expected a text"),
    "text, nothing": (("unit: cm Hg", "unit:"), "x.yaml:7: heads.V.unit: got nothing, expected a text"),
    "name": (
        ("name: plant", "name: my plant"),
        "x.yaml:2: name: got 'my plant', expected a name (at most 100 letters, digits, _ and -, a letter or _ first)",
    ),
    "whole number": (
        ("epochs: 5", "epochs: five"),
        "x.yaml:26: fit.epochs: got 'five', expected a whole number from 1 to 1000000",
    ),
    "whole number, quoted": (
        ("epochs: 5", "epochs: '5'"),
        "x.yaml:26: fit.epochs: got '5', expected a whole number from 1 to 1000000; did you mean 5, without quotes?",
    ),
    "whole number, a fraction": (
        ("epochs: 5", "epochs: 5.5"),
        "x.yaml:26: fit.epochs: got 5.5, expected a whole number from 1 to 1000000",
    ),
    "whole number, a boolean": (
        ("epochs: 5", "epochs: true"),
        "x.yaml:26: fit.epochs: got true, expected a whole number from 1 to 1000000",
    ),
    "whole number, a list": (
        ("epochs: 5", "epochs: [5]"),
        "x.yaml:26: fit.epochs: got a list, expected a whole number from 1 to 1000000",
    ),
    "workers": (
        ("promotion: {model: plant}", "workers: {kind: rai}"),
        "x.yaml:29: workers.kind: got 'rai', expected one of local, ray; did you mean 'ray'?",
    ),
    "workers, an address": (
        ("promotion: {model: plant}", "workers: {kind: ray, address: auot}"),
        "x.yaml:29: workers.address: got 'auot', expected auto, ray://HOST:PORT or HOST:PORT; did you mean 'auto'?",
    ),
    "workers, another kind's": (
        ("promotion: {model: plant}", "workers: {kind: local, address: auto}"),
        "x.yaml:29: workers: unknown key 'address', expected one of kind, count, gpus",
    ),
    "workers, of two kinds": (
        ("promotion: {model: plant}", "workers: {kind: local, count: 2, gpus: 1}"),
        "x.yaml:29: workers: got count: 2 and gpus: 1, expected one of them: a GPU has one process, and count is of processors",
    ),
    "workers, fewer GPUs than none": (
        ("promotion: {model: plant}", "workers: {kind: local, gpus: -1}"),
        "x.yaml:29: workers.gpus: got -1, expected a whole number from 0 to 1024",
    ),
    "out of bounds": (("epochs: 5", "epochs: 0"), "x.yaml:26: fit.epochs: got 0, expected a whole number from 1 to 1000000"),
    "out of bounds on both sides": (
        ("folds: 3", "folds: 1"),
        "x.yaml:27: validation.folds: got 1, expected a whole number from 2 to 100",
    ),
    "open bounds": (
        ("method: k_fold, folds: 3", "method: hold_out, fraction: 1"),
        "x.yaml:27: validation.fraction: got 1, expected a number above 0 and below 1",
    ),
    "infinite": (("low: 1e-4", "low: -.inf"), "x.yaml:14: space.dimensions.learning_rate.low: got -inf, expected a number"),
    "boolean": (
        ("log: true", "log: yes"),
        "x.yaml:16: space.dimensions.learning_rate.log: got 'yes', expected true or false; did you mean 'true'?",
    ),
    "several kinds": (
        ("source: plant.csv", "source: plant.csv, sheet: [1]"),
        "x.yaml:3: table.sheet: got a list, expected a text or a whole number from 0 to 10000",
    ),
    "any value": (
        ("PE.width: 16", "PE.width: [16]"),
        "x.yaml:19: space.fixed.PE.width: got a list, expected one value (a number, a word, true or false)",
    ),
    "epochs and steps": (
        ("epochs: 5", "epochs: 5\n  steps: 90"),
        "x.yaml:27: fit.steps: got 90 steps beside 5 epochs, and each follows from the other; leave one of them out",
    ),
    "mapping": (
        ("fit:\n  epochs: 5", "fit: 5"),
        "x.yaml:25: fit: got 5, expected a mapping with epochs, steps, keep, early_stopping",
    ),
    "mapping, nothing": (
        ("fit:\n  epochs: 5", "fit:"),
        "x.yaml:25: fit: got nothing, expected a mapping with epochs, steps, keep, early_stopping",
    ),
    "mapping, empty": (
        ("heads:\n  PE: {unit: MW}\n  V:\n    unit: cm Hg\n    loss: huber\n", "heads: {}\n"),
        "x.yaml:4: heads: got an empty mapping, expected a mapping with 1 to 256 entries",
    ),
    "list": (
        ("inputs: [AT, RH]", "inputs: AT"),
        "x.yaml:3: table.inputs: got 'AT', expected a list of names, a mapping from names to what the columns are, or '*'",
    ),
    "list, empty": (
        ("inputs: [AT, RH]", "inputs: []"),
        (
            "x.yaml:3: table.inputs: got an empty list, expected a list of names, a mapping from names to what the columns are,"
            " or '*'"
        ),
    ),
    "list, an entry": (
        ("inputs: [AT, RH]", "inputs: [AT, 3]"),
        "x.yaml:3: table.inputs: got 3 for the name of an input column, expected a text; put it in quotes",
    ),
    "list, a mapping in it": (
        ("inputs: [AT, RH]", "inputs: [AT, {RH: {missing: mean}}]"),
        (
            "x.yaml:3: table.inputs: got a mapping in a list of names, expected one mapping for all of them:"
            " inputs: {AT: {}, RH: {kind: …}, …}"
        ),
    ),
    "all columns, without quotes": (
        ("inputs: [AT, RH]", "inputs: {AT: {}, *: {}}"),
        (
            "x.yaml:3: this is not YAML: found undefined alias ':'; a text that begins with * or & stands in quotes,"
            ' as in inputs: "*"'
        ),
    ),
    # keys
    "unknown key of a column": (
        ("inputs: [AT, RH]", "inputs: {AT: {mising: mean}}"),
        (
            "x.yaml:3: table.inputs.AT: unknown key 'mising', expected one of kind, missing, categories, input_scaling, parts;"
            " did you mean 'missing'?"
        ),
    ),
    "unknown key": (
        ("    loss: huber", "    los: huber"),
        (
            "x.yaml:8: heads.V: unknown key 'los', expected one of column, unit, loss, weight, task, quantile, quantiles,"
            " positive, class_weight; did you mean 'loss'?"
        ),
    ),
    "unknown key, nothing near": (
        ("    loss: huber", "    form: 1"),
        (
            "x.yaml:8: heads.V: unknown key 'form', expected one of column, unit, loss, weight, task, quantile, quantiles,"
            " positive, class_weight"
        ),
    ),
    "unknown key of the file": (
        ("search:", "serach:"),
        f"x.yaml:20: unknown key 'serach', expected one of {ROOT_KEYS}; did you mean 'search'?",
    ),
    "unknown key of one kind of dimension": (
        ("low: 1, high: 4}", "low: 1, high: 4, ordered: true}"),
        "x.yaml:11: space.dimensions.trunk.depth: unknown key 'ordered', expected one of type, low, high, log, step, when",
    ),
    "unknown key that hides a missing one": (
        ("high: 4}", "hihg: 4}"),
        (
            "x.yaml:11: space.dimensions.trunk.depth: unknown key 'hihg', "
            "expected one of type, low, high, log, step, when; did you mean 'high'?"
        ),
    ),
    "missing key": (
        ("      high: 0.1\n", ""),
        "x.yaml:12: space.dimensions.learning_rate: missing key 'high', expected a number",
    ),
    "missing key of the file": (
        ("name: plant\n", ""),
        "x.yaml:2: missing key 'name', expected a name (at most 100 letters, digits, _ and -, a letter or _ first)",
    ),
    "key that is no name": (
        ("  V:\n", "  V 2:\n    column: V\n"),
        f"x.yaml:6: heads.V 2: got 'V 2', {EXPECTED_NAME}; did you mean 'V_2'?",
    ),
    "key that is a number": (
        ("  V:\n", "  2:\n    column: V\n"),
        f"x.yaml:6: heads.2: got '2', {EXPECTED_NAME}; did you mean 'head_2'?",
    ),
    "column whose head would be called like another one": (
        ("  PE: {unit: MW}\n", "  PE: {unit: MW}\n  +PE: {}\n"),
        "x.yaml:6: heads.+PE: the head would be called PE, as another one is (x.yaml:5); give it a name, and column: '+PE'",
    ),
    "kind of dimension": (
        ("type: float", "type: flaot"),
        (
            "x.yaml:13: space.dimensions.learning_rate.type: got 'flaot', expected one of float, int, choice; "
            "did you mean 'float'?"
        ),
    ),
    "kind of dimension, missing": (
        ("      type: float\n", ""),
        "x.yaml:12: space.dimensions.learning_rate: missing key 'type', expected one of float, int, choice",
    ),
    "kind of dimension, a list": (
        ("type: float", "type: [float]"),
        "x.yaml:13: space.dimensions.learning_rate.type: got a list, expected one of float, int, choice",
    ),
    # what only the models know
    "low above high": (
        ("high: 0.1", "high: 1e-5"),
        "x.yaml:12: space.dimensions.learning_rate: low (0.0001) must not be above high (1e-05)",
    ),
    "choice twice": (
        ("[relu, silu]", "[relu, relu]"),
        "x.yaml:17: space.dimensions.activation: each choice may be listed only once",
    ),
    "input twice": (("[AT, RH]", "[AT, AT]"), "x.yaml:3: table.inputs: each input column may be listed only once"),
    "hyperparameter": (
        ("    trunk.depth: {type", "    trunk.dpeth: {type"),
        (
            f"x.yaml:11: space.dimensions.trunk.dpeth: got 'trunk.dpeth', expected the name of a hyperparameter ({NAMES}); "
            "did you mean 'trunk.depth'?\n"
            "x.yaml:17: space.dimensions.activation.when.trunk.depth: got 'trunk.depth', "
            "expected a dimension that stands before activation; did you mean 'trunk.dpeth'?"
        ),
    ),
    "hyperparameter's bounds": (
        ("high: 4}", "high: 40}"),
        "x.yaml:11: space.dimensions.trunk.depth.high: got 40, expected a whole number from 1 to 16",
    ),
    "head that stands after the one that reads it": (
        ("PE.width: 16", "PE.reads: V"),
        "x.yaml:19: space.fixed.PE.reads: got 'V', expected trunk (a head can only read those before it in heads)",
    ),
    "head that is not there": (
        ("PE.width: 16", "V.reads: EP"),
        (
            "x.yaml:19: space.fixed.V.reads: got 'EP', expected trunk or PE (a head can only read those before it in heads); "
            "did you mean 'PE'?"
        ),
    ),
    "head that all heads read": (
        ("PE.width: 16", "branch.reads: PE"),
        (
            "x.yaml:19: space.fixed.branch.reads: got 'branch.reads', expected the name of the head that reads another: "
            "PE.reads or V.reads"
        ),
    ),
    "exit": (
        ("PE.width: 16", "PE.exit: -1"),
        "x.yaml:19: space.fixed.PE.exit: got -1, expected a whole number from 0 to 16",
    ),
    "hyperparameter's choices": (
        ("[relu, silu]", "[relu, silo]"),
        (
            "x.yaml:17: space.dimensions.activation.choices[1]: got 'silo', expected one of relu, silu, tanh, gelu, mish, "
            "leaky_relu; did you mean 'silu'?"
        ),
    ),
    "fixed": (
        ("PE.width: 16", "PE.widht: 16"),
        (
            f"x.yaml:19: space.fixed.PE.widht: got 'PE.widht', expected the name of a hyperparameter ({NAMES}); "
            "did you mean 'PE.width'?"
        ),
    ),
    "initial trial": (
        ("{trunk.depth: 2}", "{trunk.depth: 0}"),
        "x.yaml:24: search.initial_trials.article.trunk.depth: got 0, expected a whole number from 1 to 16",
    ),
    "fixed and varied": (
        ("PE.width: 16", "trunk.depth: 2"),
        "x.yaml:19: space.fixed.trunk.depth: trunk.depth is varied and fixed at once",
    ),
    "condition": (
        ("when: {trunk.depth: [1, 2]}", "when: {trunk.depth: [1, 9]}"),
        "x.yaml:17: space.dimensions.activation.when.trunk.depth[1]: trunk.depth never has the value 9",
    ),
    "head that is an input": (
        ("  PE: {unit: MW}", "  PE: {unit: MW, column: AT}"),
        "x.yaml:5: heads.PE: column 'AT' is an input; a network may not read what it predicts",
    ),
    "two heads of one column": (
        ("unit: cm Hg\n    loss: huber", "column: PE"),
        "x.yaml:6: heads.V: column 'PE' is already the target of PE",
    ),
    "head with a taken name": (
        ("  PE: {unit: MW}", "  PE: {unit: MW}\n  trunk: {}"),
        "x.yaml:6: heads.trunk: the name is taken by a hyperparameter or a metric; choose another (and give its column)",
    ),
    "head with the name of a column": (
        ("  PE: {unit: MW}", "  PE: {unit: MW}\n  outside: {}"),
        "x.yaml:6: heads.outside: the name is that of the column of predict --warn; choose another (and give its column)",
    ),
    "first batch": (
        ("driver: optuna", "driver: optuna\n  first_batch: 64"),
        "x.yaml:22: search.first_batch: got 64, expected at most 32, the trials of the other rounds (batch)",
    ),
    "algorithm": (
        ("driver: optuna", "driver: optuna\n  algorithm: tep"),
        f"x.yaml:22: search.algorithm: got 'tep', expected an algorithm of optuna ({ALGORITHMS}); did you mean 'tpe'?",
    ),
    "baseline": (
        ("[linear_regression]", "[linear_regresion]"),
        (
            f"x.yaml:28: baselines[0]: got 'linear_regresion', expected one of {', '.join(ESTIMATORS)}, "
            "or a path to an experiment (.yaml); did you mean 'linear_regression'?"
        ),
    ),
    "baseline, what linear regression is called elsewhere": (
        ("[linear_regression]", "[logistic_regression]"),
        (
            f"x.yaml:28: baselines[0]: got 'logistic_regression', expected one of {', '.join(ESTIMATORS)}, "
            "or a path to an experiment (.yaml); linear_regression is logistic regression for heads with classes"
        ),
    ),
    # shorthands and paths
    "table that is only a path": (
        ("{source: plant.csv, inputs: [AT, RH]}", "plant.csv"),
        "x.yaml:3: table: got 'plant.csv', expected 'ccpp', or a mapping such as {source: plant.csv, inputs: [..]}",
    ),
    "table misspelled": (
        ("{source: plant.csv, inputs: [AT, RH]}", "cppp"),
        "x.yaml:3: table: got 'cppp', expected 'ccpp', or a mapping such as {source: cppp, inputs: [..]}; did you mean 'ccpp'?",
    ),
    "source misspelled": (
        ("source: plant.csv", "source: cccp"),
        "x.yaml:3: table.source: got 'cccp', expected 'ccpp', or the path of a file such as plant.csv; did you mean 'ccpp'?",
    ),
    "source without inputs": (
        (", inputs: [AT, RH]", ""),
        "x.yaml:3: table: missing key 'inputs', expected a list or a mapping with 1 to 16,384 entries",
    ),
    "csv option misspelled": (
        ("inputs: [AT, RH]}", "inputs: [AT, RH], csv: {seperator: ';'}}"),
        (
            "x.yaml:3: table.csv: unknown key 'seperator', expected one of separator, decimal, thousands, encoding; "
            "did you mean 'separator'?"
        ),
    ),
    "encoding that is not there": (
        ("inputs: [AT, RH]}", "inputs: [AT, RH], csv: {encoding: utf9}}"),
        (
            "x.yaml:3: table.csv.encoding: got 'utf9', expected the name of an encoding, such as utf-8, cp1252 or utf-16; "
            "did you mean 'utf-8'?"
        ),
    ),
    "missing values of a csv file alone": (
        ("inputs: [AT, RH]}", "inputs: [AT, RH], csv: {missing: ['?']}}"),
        "x.yaml:3: table.csv: missing is a key of the table, for all kinds of files: write table.missing: [-200, '?']",
    ),
    "csv options of another file": (
        ("plant.csv, inputs: [AT, RH]}", "plant.xlsx, inputs: [AT, RH], csv: {decimal: ','}}"),
        "x.yaml:3: table.csv: csv says how a csv file is written, and 'plant.xlsx' is none; leave it out",
    ),
    "space that is not there": (
        (GOOD[GOOD.index("space:") : GOOD.index("search:")], "space: spaces/y.yaml\n"),
        f"x.yaml:9: space: got 'spaces/y.yaml', {FILE_NOT_FOUND}",
    ),
    "baseline that is not there": (
        ("[linear_regression]", "[xx.yaml]"),
        f"x.yaml:28: baselines[0]: got 'xx.yaml', {FILE_NOT_FOUND}; did you mean 'x.yaml'?",
    ),
    # YAML
    "key twice": (("    loss: huber", "    unit: huber"), "x.yaml:8: heads.V.unit: this key stands twice, first in line 7"),
    "tab": (
        ("    loss: huber", "\tloss: huber"),
        "x.yaml:8: got a tab where a line or a value begins, expected spaces (YAML is indented with spaces only)",
    ),
    "indentation": (
        ("    loss: huber", "      loss: huber"),
        "x.yaml:8: this is not YAML: mapping values are not allowed here",
    ),
    "character": (("unit: cm Hg", "unit: \0"), "x.yaml:7: got the character '\\x00', which YAML does not allow"),
    "quote left open": (
        ("name: plant", "name: 'plant"),
        "x.yaml:30: this is not YAML: found unexpected end of stream (while scanning a quoted scalar that begins in line 2)",
    ),
    "tag": (
        ("name: plant", "name: !secret plant"),
        "x.yaml:2: name: got 'plant' with the tag '!secret', expected plain YAML",
    ),
    "alias of itself": (
        ("fit:\n", "fit: &fit\n  keep: *fit\n"),
        "x.yaml:25: fit.keep: an alias that contains itself has no end",
    ),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_the_message_of_a_mistake_says_where_it_is_what_was_given_and_what_is_expected(
    change: tuple[str, str], message: str
) -> None:
    assert str(error_of(changed(*change))) == message


@pytest.mark.parametrize(
    ("levels", "keys"),
    [
        ("[0.9, 0.1, 0.5]", ["quantiles"]),
        ("[0.5, 0.5]", ["quantiles"]),
        ("[0.5, 0.50000001]", ["quantiles"]),
        ("[0, 0.5, 1]", ["quantiles[0]", "quantiles[2]"]),
    ],
)
def test_wrong_levels_are_the_only_mistake_of_a_head_and_of_the_objective_that_names_it(levels: str, keys: list[str]) -> None:
    text = changed("    loss: huber\n", f"    task: quantile\n    quantiles: {levels}\nobjective: [d2_pinball/V]\n")
    assert locations(error_of(text)) == [("x.yaml:9", f"heads.V.{key}") for key in keys]


def test_an_objective_may_be_the_score_of_classes_where_the_table_decides_and_the_message_says_so() -> None:
    (mistake,) = error_of(changed("fit:\n", "objective: [top_5/PE]\nfit:\n")).mistakes
    of_head = mistake.message.partition(": ")[2].partition(";")[0].split(", ")
    assert {"r2/PE", "rmse/PE", "d2_log_loss/PE", "accuracy/PE"} <= set(of_head)
    (mistake,) = error_of(changed("fit:\n", "objective: [score]\nfit:\n")).mistakes
    scores = mistake.message.partition("expected one of ")[2].partition(", or METRIC/HEAD")[0].split(", ")
    assert {"r2/PE", "d2_log_loss/PE", "mean_score"} <= set(scores)
    for name in [*of_head, *scores]:
        assert loaded(changed("fit:\n", f"objective: [{name}]\nfit:\n")).objective.maximize == [name]


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_an_error_has_file_line_and_key_of_each_mistake_as_fields(change: tuple[str, str], message: str) -> None:
    error = error_of(changed(*change))
    assert error.where == error.mistakes[0].where
    for mistake, line in zip(error.mistakes, message.splitlines(), strict=True):
        assert mistake.where.startswith("x.yaml:")
        assert line.startswith(f"{mistake.where}: {mistake.key}") and line.endswith(mistake.message)


class TestHeadsNamedByColumns:
    @pytest.mark.parametrize(
        ("column", "name"),
        [("25400", "head_25400"), ("y+z", "y_z"), ("num views", "num_views"), ("Wärme (kWh)", "Warme_kWh"), ("%", "head")],
    )
    def test_a_column_that_is_no_name_gives_its_head_one(self, column: str, name: str) -> None:
        with pytest.warns(HeadNameWarning) as caught:
            experiment = loaded(changed("  V:\n", f"  '{column}':\n"))
        assert experiment.columns == {"PE": "PE", name: column}
        assert experiment.heads[name].loss == "huber"
        warning = caught[0].message
        assert isinstance(warning, HeadNameWarning)
        assert (warning.where, warning.column, warning.name) == ("x.yaml:6", column, name)
        assert parse_recorded_experiment(dump_yaml(experiment), "record") == experiment

    def test_in_python_it_is_named_likewise(self) -> None:
        written = {"name": "x", "table": {"source": "dataframe", "inputs": ["a"]}, "space": {"dimensions": {}}}
        with pytest.warns(HeadNameWarning):
            experiment = Experiment(**written, heads={"25400": {"unit": "MW"}, "y+z": Head(loss="mae")})
        assert experiment.columns == {"head_25400": "25400", "y_z": "y+z"}
        assert (experiment.heads["head_25400"].unit, experiment.heads["y_z"].loss) == ("MW", "mae")
        with pytest.raises(ConfigError, match=r"heads\.y\+z"):
            Experiment(**written, heads={"y_z": {}, "y+z": {}})

    def test_mistakes_in_it_have_its_lines_and_its_name(self) -> None:
        with pytest.warns(HeadNameWarning):
            error = error_of(changed("  V:\n", "  y+z:\n").replace("huber", "hubre") + "objective: r2/y+z\n")
        assert locations(error)[0] == ("x.yaml:8", "heads.y_z.loss")
        with pytest.warns(HeadNameWarning):
            error = error_of(changed("  V:\n", "  y+z:\n") + "objective: r2/y+z\n")
        assert locations(error) == [("x.yaml:30", "objective.maximize[0]")]
        assert "did you mean 'r2/y_z'" in error.message

    def test_an_override_names_it_as_the_file_does(self) -> None:
        with pytest.warns(HeadNameWarning):
            experiment = loaded(changed("  V:\n", "  25400:\n"), "heads.25400.unit=MW")
        assert experiment.heads["head_25400"].unit == "MW"

    def test_the_schema_accepts_it(self) -> None:
        document, _ = parse_yaml(changed("  V:\n", "  y+z:\n"), "x")
        jsonschema.validate(document, json_schema("experiment"))


class TestAnObjectiveThatMinimizes:
    @pytest.mark.parametrize(
        ("objective", "metrics"),
        [
            ("{minimize: rmse/PE}", ["rmse/PE"]),
            ("{maximize: r2/V, minimize: [rmse/PE, parameters]}", ["r2/V", "rmse/PE", "parameters"]),
            ("{minimize: [mae/V], maximize: [r2/PE]}", ["r2/PE", "mae/V"]),
        ],
    )
    def test_its_metrics_follow_those_that_are_maximized(self, objective: str, metrics: list[str]) -> None:
        text = GOOD + f"objective: {objective}\n"
        assert loaded(text).objective.maximize == metrics
        jsonschema.validate(parse_yaml(text, "x")[0], json_schema("experiment"))

    @pytest.mark.parametrize("metric", ["r2/PE", "mean_r2", "weighted"])
    def test_of_its_metrics_less_is_better(self, metric: str) -> None:
        error = error_of(GOOD + f"objective:\n  minimize:\n    - rmse/PE\n    - {metric}\n")
        assert locations(error) == [("x.yaml:33", "objective.minimize")]
        assert f"'{metric}'" in error.message and "maximize" in error.message

    @pytest.mark.parametrize("given", ["", "3", "{PE: rmse}"])
    def test_it_is_a_metric_or_a_list_of_them(self, given: str) -> None:
        error = error_of(GOOD + f"objective:\n  maximize: r2/PE\n  minimize: {given}\n")
        assert locations(error) == [("x.yaml:32", "objective.minimize")]

    @pytest.mark.parametrize("key", ["minimise", "Minimize", "minimizes"])
    def test_a_key_that_is_nearly_it_is_answered_by_it(self, key: str) -> None:
        error = error_of(GOOD + f"objective:\n  {key}: rmse/PE\n")
        assert locations(error) == [("x.yaml:31", "objective")]
        assert "did you mean 'minimize'?" in error.message

    def test_a_wrong_metric_has_its_line(self) -> None:
        error = error_of(GOOD + "objective:\n  maximize: r2/PE\n  minimize:\n    - rmsee/V\n")
        assert locations(error) == [("x.yaml:33", "objective.maximize[1]")]


@pytest.mark.parametrize("name", ["plant.csv", "plant.XLSX", "plant.arff"])
def test_a_table_in_place_of_an_experiment_is_answered_by_how_to_write_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("AT,PE\n1,2\n")
    error = config_error(lambda: load_experiment(Path(name)))
    assert locations(error) == [(name, "")]
    assert f"branchsweep init {name}" in error.message


def test_what_is_taken_for_a_table_is_one_that_is_read() -> None:
    assert set(TABLE_SUFFIXES) <= set(ENDINGS)


@pytest.mark.parametrize(
    ("text", "where", "given"),
    [
        ("", "x.yaml", "empty"),
        ("# only a remark\n", "x.yaml", "empty"),
        ("- name\n", "x.yaml:1", "list"),
        ("\nplant\n", "x.yaml:2", "'plant'"),
        ("? [a, b]\n: c\n", "x.yaml:1", "key"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_an_error(text: str, where: str, given: str) -> None:
    error = error_of(text)
    assert locations(error) == [(where, "")]
    assert given in error.message


def test_errors_are_in_the_order_of_their_lines() -> None:
    text = changed("name: plant", "name: my plant").replace("loss: huber", "loss: mea").replace("epochs: 5", "epoch: 5")
    assert locations(error_of(text)) == [("x.yaml:2", "name"), ("x.yaml:8", "heads.V.loss"), ("x.yaml:26", "fit")]


def test_mistakes_of_several_values_are_reported_beside_those_of_single_values() -> None:
    text = changed("name: plant", "name: 5").replace("log: true", "log: no").replace("high: 4}", "high: 40}")
    assert locations(error_of(text)) == [
        ("x.yaml:2", "name"),
        ("x.yaml:11", "space.dimensions.trunk.depth.high"),
        ("x.yaml:16", "space.dimensions.learning_rate.log"),
    ]


def test_an_error_hides_those_that_may_follow_from_it() -> None:
    text = changed("trunk.depth: {type: int", "trunk.depth: {type: itn").replace("  PE: {unit: MW}", "  PE: 3")
    assert locations(error_of(text)) == [("x.yaml:5", "heads.PE"), ("x.yaml:11", "space.dimensions.trunk.depth.type")]


def test_every_duplicate_key_is_reported() -> None:
    error = error_of(changed("    loss: huber", "    unit: huber") + "fit: {}\n")
    assert locations(error) == [("x.yaml:8", "heads.V.unit"), ("x.yaml:30", "fit")]
    assert ["7" in error.mistakes[0].message, "25" in error.mistakes[1].message] == [True, True]  # the first lines of the keys


def test_no_message_comes_from_pydantic() -> None:
    check_own_words(error_of(changed(*change)) for change, _ in MISTAKES.values())


class TestFiles:
    def test_the_error_for_a_missing_file_names_the_nearest(self) -> None:
        write_yaml(GOOD, "experiments/plant.yaml")
        with pytest.raises(ConfigError, match=r"'experiments/plant\.yaml'") as caught:
            load_experiment(Path("experiments/palnt.yaml"))
        assert caught.value.where == "experiments/palnt.yaml"

    def test_a_missing_file_without_a_similar_name_is_an_error(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load_experiment(Path("nowhere/x.yaml"))
        assert caught.value.where == "nowhere/x.yaml" and "'" not in caught.value.message

    def test_a_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load_experiment(tmp_path)
        assert isinstance(caught.value.__cause__, IsADirectoryError)

    def test_a_file_that_is_not_utf_8_is_an_error(self) -> None:
        Path("x.yaml").write_bytes(b"name: \xff\xfe")
        with pytest.raises(ConfigError) as caught:
            load_experiment(Path("x.yaml"))
        assert caught.value.where == "x.yaml" and isinstance(caught.value.__cause__, UnicodeDecodeError)

    def test_a_path_outside_the_working_directory_is_shown_in_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_yaml("name: 3").absolute()
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pytest.raises(ConfigError) as caught:
            load_experiment(path)
        assert caught.value.where == f"{path}:1"

    def test_a_byte_order_mark_is_not_part_of_the_first_key(self) -> None:
        assert loaded("\ufeff" + GOOD).name == "plant"


class TestSpaceInItsOwnFile:
    TEXT = "# a space\ndimensions:\n  trunk.depth: {type: int, low: 1, high: 4}\n"
    EXPERIMENT = "name: plant\ntable: ccpp\nheads: {PE: {}}\nspace: SPACE\n"

    @pytest.mark.parametrize("path", ["spaces/y.yaml", "../spaces/y.yaml"])
    def test_it_is_found_from_the_working_directory_and_from_the_folder_of_the_experiment(self, path: str) -> None:
        write_yaml(self.TEXT, "spaces/y.yaml")
        experiment = load_experiment(write_yaml(self.EXPERIMENT.replace("SPACE", path), "experiments/x.yaml"))
        assert list(experiment.space.dimensions) == ["trunk.depth"]

    def test_a_space_beside_the_experiment_precedes_one_in_the_working_directory(self) -> None:
        write_yaml(self.TEXT, "y.yaml")
        write_yaml(self.TEXT.replace("trunk.depth", "branch.depth"), "experiments/y.yaml")
        experiment = load_experiment(write_yaml(self.EXPERIMENT.replace("SPACE", "y.yaml"), "experiments/x.yaml"))
        assert list(experiment.space.dimensions) == ["branch.depth"]

    @pytest.mark.parametrize(
        ("old", "new", "where", "key", "value"),
        [
            ("type: int", "type: itn", "y.yaml:3", "dimensions.trunk.depth.type", "'int'"),
            ("high: 4", "high: 40", "y.yaml:3", "dimensions.trunk.depth.high", "40"),
            ("dimensions", "dimension", "y.yaml:2", "", "'dimensions'"),
            (TEXT, "fixed: {}", "y.yaml:1", "", "'dimensions'"),
            (TEXT, "3", "y.yaml:1", "", "3"),
            (TEXT, "", "y.yaml", "", "empty"),
            ("low: 1", "low: 1, low: 2", "y.yaml:3", "dimensions.trunk.depth.low", "3"),
        ],
    )
    def test_its_errors_have_its_lines(self, old: str, new: str, where: str, key: str, value: str) -> None:
        write_yaml(self.TEXT.replace(old, new), "y.yaml")
        error = error_of(self.EXPERIMENT.replace("SPACE", "y.yaml"))
        assert locations(error) == [(where, key)]
        assert value in error.message

    def test_its_errors_follow_those_of_the_experiment(self) -> None:
        write_yaml(self.TEXT.replace("high: 4", "hihg: 4"), "y.yaml")
        text = self.EXPERIMENT.replace("SPACE", "y.yaml") + "seed: -1\n"
        assert [where for where, _ in locations(error_of(text))] == ["x.yaml:5", "y.yaml:3"]

    def test_the_error_for_a_missing_space_names_the_nearest(self) -> None:
        write_yaml(self.TEXT, "spaces/branched.yaml")
        error = error_of(self.EXPERIMENT.replace("SPACE", "spaces/brached.yaml"))
        assert locations(error) == [("x.yaml:4", "space")]
        assert all(value in error.message for value in ("'spaces/brached.yaml'", "'spaces/branched.yaml'"))


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "path", "value"),
        [
            ("search.trials=9", ("search", "trials"), 9),
            ("search.batch=4", ("search", "batch"), 4),
            ("seed=7", ("seed",), 7),
            ("test.fraction=0.5", ("test", "fraction"), 0.5),
            ("fit.early_stopping.patience=3", ("fit", "early_stopping", "patience"), 3),
            ("fit.early_stopping={patience: 3}", ("fit", "early_stopping", "patience"), 3),
            ("heads.PE.loss=mae", ("heads", "PE", "loss"), "mae"),
            ("heads.RH2={unit: '%'}", ("heads", "RH2", "unit"), "%"),
            ("table.inputs=[AT]", ("table", "inputs"), ["AT"]),
            ("space.dimensions.trunk.depth.high=2", ("space", "dimensions", "trunk.depth", "high"), 2),
            ("space.dimensions.momentum={type: float, low: 0, high: 0.9}", ("space", "dimensions", "momentum", "high"), 0.9),
            ("space.fixed.PE.width=32", ("space", "fixed", "PE.width"), 32),
            ("space.fixed.weight_decay=1e-4", ("space", "fixed", "weight_decay"), 1e-4),
            ("search.initial_trials.article.trunk.depth=3", ("search", "initial_trials", "article", "trunk.depth"), 3),
            ("search.initial_trials.other={}", ("search", "initial_trials", "other"), {}),
            ("question=a=b", ("question",), "a=b"),
            ("promotion=null", ("promotion",), None),
        ],
    )
    def test_an_override_sets_the_key_that_it_names(self, override: str, path: tuple[str, ...], value: Any) -> None:
        value_at_path: Any = loaded(GOOD, override).model_dump()
        for key in path:
            value_at_path = value_at_path[key]
        assert value_at_path == value

    def test_the_later_of_two_overrides_wins(self) -> None:
        assert loaded(GOOD, "seed=2", "seed=3").seed == 3

    def test_an_override_can_correct_an_error_in_the_file(self) -> None:
        assert loaded(changed("epochs: 5", "epochs: 0"), "fit.epochs=6").fit.epochs == 6

    def test_an_override_changes_a_space_in_its_own_file(self) -> None:
        write_yaml(TestSpaceInItsOwnFile.TEXT, "y.yaml")
        text = TestSpaceInItsOwnFile.EXPERIMENT.replace("SPACE", "y.yaml")
        assert (
            loaded(text, "space.dimensions.trunk.depth.high=2").model_dump()["space"]["dimensions"]["trunk.depth"]["high"] == 2
        )

    def test_an_override_changes_a_table_given_by_its_shorthand(self) -> None:
        table = loaded(TestSpaceInItsOwnFile.EXPERIMENT.replace("SPACE", "{dimensions: {}}"), "table.duplicates=drop").table
        assert (table.source, list(table.inputs), table.duplicates) == ("ccpp", ["AT", "AP", "RH"], "drop")

    def test_an_override_can_replace_the_space(self) -> None:
        write_yaml(TestSpaceInItsOwnFile.TEXT, "y.yaml")
        assert list(loaded(GOOD, "space=y.yaml", "space.dimensions.trunk.depth.low=2").space.dimensions) == ["trunk.depth"]

    @pytest.mark.parametrize(
        ("override", "key", "values"),
        [
            ("search.trails=8", "search", ["'trails'", SEARCH_KEYS, "'trials'"]),
            ("serach.trials=8", "", ["'serach'", ROOT_KEYS, "'search'"]),
            ("search.trials=many", "search.trials", ["'many'", "1"]),
            ("search.trials=", "search.trials", ["nothing", "1"]),
            ("search.trials=[", "", ["YAML"]),
            ("fit={epochs: 1, epochs: 2}", "epochs", []),
            ("heads.PEE.loss=mae", "heads", ["'PEE'", "PE, V", "'PE'"]),
            ("heads.PE.loss=mea", "heads.PE.loss", ["'mea'", "mse, mae, huber", "'mae'"]),
            (
                "space.dimensions.trunk.dpeth.high=2",
                "space.dimensions",
                ["'trunk.dpeth'", "trunk.depth, learning_rate, activation", "'trunk.depth'"],
            ),
            ("space.dimensions.trunk.depth.high=99", "space.dimensions.trunk.depth.high", ["99", "16"]),
            ("space.fixed.actvation=relu", "space.fixed.actvation", ["'actvation'", NAMES, "'activation'"]),
            ("name.first=plant", "name", ["'plant'"]),
            ("table.inputs.0=AT", "table.inputs", ["list"]),
            ("table.inputs.RH.missing=mean", "table.inputs", ["""'table.inputs={"AT": {}, "RH": {"missing": "mean"}}'"""]),
            ("table.inputs.RH={missing: mean}", "table.inputs", ["""'table.inputs={"AT": {}, "RH": {"missing": "mean"}}'"""]),
            ("space=nowhere.yaml", "space", ["'nowhere.yaml'"]),
        ],
    )
    def test_errors_name_the_override(self, override: str, key: str, values: list[str]) -> None:
        error = error_of(GOOD, override)
        assert locations(error) == [(f"--set {override}", key)]
        assert [value for value in values if value not in error.mistakes[0].message] == []

    @pytest.mark.parametrize("override", ["search.trials", "=8", "search..trials=8", ""])
    def test_an_override_without_key_or_value_is_an_error(self, override: str) -> None:
        error = error_of(GOOD, override)
        assert error.where == "--set"
        assert f"'{override}'" in error.message and "key=value" in error.message

    def test_errors_of_overrides_follow_those_of_the_file(self) -> None:
        error = error_of(changed("epochs: 5", "epochs: 0"), "search.trials=0", "seed=-1")
        assert [where for where, _ in locations(error)] == [
            "x.yaml:26",
            *(f"--set {key}" for key in ("search.trials=0", "seed=-1")),
        ]

    def test_a_missing_space_is_reported_where_it_is_named(self) -> None:
        text = TestSpaceInItsOwnFile.EXPERIMENT.replace("SPACE", "nowhere.yaml")
        error = error_of(text, "space.dimensions.trunk.depth.high=2")
        assert locations(error) == [("x.yaml:4", "space")] and "'nowhere.yaml'" in error.message


class TestValues:
    def test_numbers_and_words_are_those_of_yaml_1_2(self) -> None:
        experiment = loaded(changed("unit: cm Hg", "unit: no"))
        assert experiment.heads["V"].unit == "no"
        learning_rate = experiment.space.dimensions["learning_rate"]
        assert learning_rate.model_dump()["low"] == 1e-4

    def test_a_date_is_read_as_text(self) -> None:
        text = changed("source: plant.csv", "source: plant.csv, sheet: 2024-01-01")
        assert loaded(text).table.sheet == "2024-01-01"

    def test_an_alias_stands_for_its_anchor(self) -> None:
        text = changed("  PE: {unit: MW}", "  PE: &head {unit: MW, loss: mae}").replace(
            "  V:\n    unit: cm Hg\n    loss: huber\n", "  V: *head\n"
        )
        assert loaded(text).heads["V"].loss == "mae"

    @pytest.mark.parametrize("table", ["ccpp", "{source: ccpp}"])
    def test_the_built_in_table_has_default_inputs(self, table: str) -> None:
        text = changed("{source: plant.csv, inputs: [AT, RH]}", table)
        assert loaded(text).table == Table(source="ccpp", inputs=["AT", "AP", "RH"])

    def test_the_built_in_table_with_other_inputs(self) -> None:
        text = changed("source: plant.csv", "source: ccpp")
        assert list(loaded(text).table.inputs) == ["AT", "RH"]

    def test_a_table_is_found_from_the_folder_of_the_experiment_then_from_the_working_directory(self, tmp_path: Path) -> None:
        path = write_yaml(GOOD, "experiments/x.yaml")
        assert load_experiment(path).table.source == str(tmp_path / "plant.csv")
        write_yaml("", "experiments/plant.csv")
        assert load_experiment(path).table.source == str(tmp_path / "experiments" / "plant.csv")

    def test_a_baseline_in_a_file_becomes_an_absolute_path(self, tmp_path: Path) -> None:
        text = changed("[linear_regression]", "[linear_regression, x.yaml]")
        assert loaded(text).baselines == ["linear_regression", str(tmp_path / "x.yaml")]


HARD_TEXTS = [
    "a\x85b",
    "a\u2028b",
    "",
    " ",
    "no",
    "null",
    "~",
    "1e-4",
    "0x1f",
    "2024-01-01",
    "a: b",
    "a # b",
    "'",
    '"',
    "- a",
    "é… R²",
    "two\nlines\n",
    "\ttab",
    "word " * 60,
    "{a}",
    "[a]",
    "&a",
    "*a",
    "!a",
    "%",
    "@",
    "`",
    "true",
    "1_000",
    "0o7",
    "=",
    "<<",
]


class TestDump:
    def test_a_dumped_experiment_is_loaded_back(self) -> None:
        experiment = loaded()
        assert loaded(dump_yaml(experiment)) == experiment

    @pytest.mark.parametrize("text", HARD_TEXTS)
    def test_any_text_is_loaded_back(self, text: str) -> None:
        experiment = loaded().model_copy(update={"question": text})
        assert loaded(dump_yaml(experiment)).question == text

    @pytest.mark.parametrize("number", [1e-12, 1e-4, 0.1, 1 / 3, 1.0, 1e22, 123456789.123456789, 5e-324])
    def test_any_number_is_loaded_back(self, number: float) -> None:
        space = SearchSpace(dimensions={"learning_rate": Float(type="float", low=-number, high=number)})
        text = dump_yaml(loaded().model_copy(update={"space": space}))
        assert SearchSpace.model_validate(read_document(write_yaml(text)).data["space"]) == space

    def test_a_dump_keeps_the_order_and_has_the_defaults(self) -> None:
        text = dump_yaml(loaded())
        data = parse_yaml(text, "x.yaml")[0]
        assert list(data)[:3] == ["name", "question", "seed"] and list(data["heads"]) == ["PE", "V"]
        assert data["search"]["batch"] == 32

    def test_a_recorded_experiment_is_read_without_the_files_that_it_names(self) -> None:
        """A sweep may be read where its table and its baselines are not."""
        experiment = loaded().model_copy(update={"baselines": ["/gone/article.yaml", "linear_regression"]})
        assert parse_recorded_experiment(dump_yaml(experiment), "recorded") == experiment

    @pytest.mark.parametrize("text", ["", "a word", "name: x\nfuture: 1\n"])
    def test_an_invalid_recorded_experiment_is_an_error(self, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_recorded_experiment(text, "recorded")
        assert {mistake.where.partition(":")[0] for mistake in caught.value.mistakes} == {"recorded"}

    def test_a_dump_has_no_anchors_and_aliases(self) -> None:
        text = changed("  PE: {unit: MW}", "  PE: &head {unit: MW}").replace(
            "  V:\n    unit: cm Hg\n    loss: huber\n", "  V: *head\n"
        )
        assert "&" not in dump_yaml(loaded(text))
        assert "*" not in dump_yaml(loaded(text))


class TestShipped:
    def test_experiments_and_spaces_are_shipped(self) -> None:
        assert EXPERIMENTS
        assert SPACES

    @pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
    def test_an_experiment_loads_and_loads_back(self, path: Path) -> None:
        with contextlib.chdir(ROOT):
            experiment = load_experiment(path)
        assert loaded(dump_yaml(experiment)) == experiment
        jsonschema.validate(read_document(path).data, json_schema("experiment"))
        assert path.read_text(encoding="utf-8").startswith("#"), "a file opens with its question, its command, its time"

    @pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
    def test_an_experiment_loads_from_anywhere(self, path: Path) -> None:
        assert load_experiment(path).name

    @pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
    def test_a_space_loads(self, path: Path) -> None:
        data = read_document(path).data
        assert SearchSpace.model_validate(data, strict=True).dimensions
        jsonschema.validate(data, json_schema("space"))


SPACE_FILE = """\
dimensions:
  trunk.depth: {type: int, low: 1, high: 4}
  heat.depth: {type: int, low: 0, high: 2}
fixed:
  steam.width: 16
"""


class TestSpaceAlone:
    @pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
    def test_a_shipped_space_is_loaded(self, path: Path) -> None:
        assert is_space_file(path)
        assert experiment_around_space(path).space == SearchSpace.model_validate(read_document(path).data, strict=True)

    @pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
    def test_an_experiment_is_not_a_space_file(self, path: Path) -> None:
        assert not is_space_file(path)

    @pytest.mark.parametrize(
        ("change", "heads", "inputs"),
        [
            (("", ""), ["heat", "steam"], ["input 1", "input 2", "input 3"]),
            (("heat", "V"), ["V", "steam"], ["input 1", "input 2", "input 3"]),
            (("fixed:\n  steam.width: 16\n", ""), ["heat"], ["input 1", "input 2", "input 3"]),
            (
                (SPACE_FILE[SPACE_FILE.index("  heat") :], "  branch.depth: {type: int, low: 0, high: 2}"),
                ["PE", "V"],
                ["AT", "AP", "RH"],
            ),
            (("steam.width", "batch_size"), ["heat"], ["input 1", "input 2", "input 3"]),
            (("steam.width: 16", "heat.reads: cost"), ["cost", "heat"], ["input 1", "input 2", "input 3"]),
            (
                ("fixed:", "  heat.reads: {type: choice, choices: [trunk, steam]}\nfixed:"),
                ["steam", "heat"],
                ["input 1", "input 2", "input 3"],
            ),
            (
                ("steam.width: 16", "steam.reads: heat\n  heat.reads: cost"),
                ["cost", "heat", "steam"],
                ["input 1", "input 2", "input 3"],
            ),
        ],
    )
    def test_its_heads_are_those_that_it_names(self, change: tuple[str, str], heads: list[str], inputs: list[str]) -> None:
        experiment = experiment_around_space(write_yaml(SPACE_FILE.replace(*change)))
        assert (list(experiment.heads), list(experiment.table.inputs)) == (heads, inputs)

    @pytest.mark.parametrize(
        ("change", "where", "key", "value"),
        [
            (("heat.depth", "trunk.widht"), "x.yaml:3", "dimensions.trunk.widht", "'trunk.widht'"),
            (("heat.depth", "heat.dpeth"), "x.yaml:3", "dimensions.heat.dpeth", "'heat.depth'"),
            (("high: 2", "high: 20"), "x.yaml:3", "dimensions.heat.depth.high", "20"),
            (("low: 1, ", ""), "x.yaml:2", "dimensions.trunk.depth", "'low'"),
            (("fixed:", "fxied:"), "x.yaml:4", "", "'fixed'"),
            (("fixed:\n  steam.width: 16", "fixed: 3"), "x.yaml:4", "fixed", "3"),
            (("heat", "a b"), "x.yaml:3", "dimensions.a b.depth", "'a b.depth'"),
            ((SPACE_FILE, "{}"), "x.yaml:1", "", "'dimensions'"),
            (("steam.width: 16", "steam.reads: heat\n  heat.reads: steam"), "x.yaml:6", "fixed.heat.reads", "'steam'"),
        ],
    )
    def test_an_error_in_a_space_has_its_line(self, change: tuple[str, str], where: str, key: str, value: str) -> None:
        path = write_yaml(SPACE_FILE.replace(*change))
        assert is_space_file(path)
        with pytest.raises(ConfigError) as caught:
            experiment_around_space(path)
        assert (where, key) in locations(caught.value)
        assert value in caught.value.message


class TestSchema:
    @pytest.mark.parametrize("kind", ["experiment", "space"])
    def test_the_schema_is_valid(self, kind: Any) -> None:
        check_schema(json_schema(kind))

    @pytest.mark.parametrize(
        "change",
        [
            ("name: plant", "name: plant"),
            ("{source: plant.csv, inputs: [AT, RH]}", "ccpp"),
            ("{source: plant.csv, inputs: [AT, RH]}", "{source: ccpp}"),
            (GOOD[GOOD.index("space:") : GOOD.index("search:")], "space: search_spaces/branched.yaml\n"),
            ("[linear_regression]", "[linear_regression, experiments/article.yaml]"),
        ],
    )
    def test_the_schema_accepts_what_loads(self, change: tuple[str, str]) -> None:
        jsonschema.validate(read_document(write_yaml(changed(*change))).data, json_schema("experiment"))

    @pytest.mark.parametrize(
        "mistake",
        [
            "choice", "name", "whole number", "out of bounds", "boolean", "mapping", "list", "unknown key", "missing key",
            "key that is no name", "kind of dimension", "hyperparameter", "fixed", "initial trial", "table that is only a path",
            "source without inputs", "baseline", "head that all heads read",
        ],
    )  # fmt: skip
    def test_the_schema_refuses_what_does_not_load(self, mistake: str) -> None:
        change, _ = MISTAKES[mistake]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(read_document(write_yaml(changed(*change))).data, json_schema("experiment"))

    def test_the_schema_describes_every_key(self) -> None:
        assert undescribed_keys(json_schema("experiment")) == {"type", "method", "kind"}

    def test_the_schema_lists_the_hyperparameters(self) -> None:
        for group in ("dimensions", "fixed"):
            schema = json_schema("space")["properties"][group]
            assert list(schema["properties"]) == hyperparameter_names([])
            assert len(schema["patternProperties"]) == len({h.per_head for h in HYPERPARAMETERS.values() if h.per_head})
            named = json_schema("space")["else"]["properties"][group]["propertyNames"]["anyOf"]  # where there is no builder
            assert named[0]["enum"] == hyperparameter_names([])
