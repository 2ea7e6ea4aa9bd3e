"""Targets that are missing in some rows, and weights of rows, from the table to the split."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import load_dataset, with_named_inputs
from branchsweep.data.splits import split_rows
from branchsweep.data.splitters.group import Group
from branchsweep.data.test_table import with_test_table
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import ConfigError, DataError

ROWS = 200


def experiment(heads: dict[str, Any] | None = None, policy: str = "mask", **table: Any) -> Experiment:
    written: dict[str, Any] = {
        "name": "partial",
        "table": {"source": "t.csv", "inputs": ["a", "b"], **table},
        "heads": heads or {"f": {}, "g": {}},
        "targets": {"missing": policy},
        "space": {"dimensions": {}},
    }
    return Experiment.model_validate(written)


def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.normal(20, 3, ROWS), random.uniform(0, 15, ROWS)
    return pd.DataFrame({"a": a, "b": b, "f": a + b, "g": a * b, "w": random.uniform(0.5, 2.0, ROWS), "v": 2.0})


def partial() -> pd.DataFrame:
    """The target of f is missing in the first 80 rows, of g in 70 others, of both in the last 10."""
    frame = rows()
    frame.loc[[*range(80), *range(190, 200)], "f"] = np.nan
    frame.loc[[*range(80, 150), *range(190, 200)], "g"] = np.nan
    return frame


def load(frame: pd.DataFrame, **options: Any) -> Dataset:
    return load_dataset(experiment(**options), frame)


# --- missing targets ---


def test_a_row_with_the_target_of_one_head_is_kept_and_one_without_any_is_left_out() -> None:
    dataset = load(partial())
    assert dataset.rows == 190
    assert (~np.isnan(dataset.y)).sum(axis=0).tolist() == [110, 120]
    (warning,) = dataset.warnings
    assert "90 have no target of head f, 80 have no target of head g" in warning
    assert "10 rows without any target" in warning


def test_rows_that_lack_a_target_are_left_out_on_request() -> None:
    dataset = load(partial(), policy="drop")
    assert dataset.rows == 40
    assert not np.isnan(dataset.y).any()
    assert len(dataset.warnings) == 1


def test_missing_targets_are_an_error_on_request() -> None:
    with pytest.raises(DataError, match="missing: mask"):
        load(partial(), policy="error")


def test_the_policy_changes_nothing_where_all_targets_are_known() -> None:
    datasets = [load(rows(), policy=policy) for policy in ("mask", "drop", "error")]
    assert len({dataset.digest for dataset in datasets}) == 1
    assert not any(dataset.warnings for dataset in datasets)


def test_a_code_for_missing_is_a_missing_target() -> None:
    frame = partial()
    frame[["f", "g"]] = frame[["f", "g"]].fillna(-200.0)
    assert load(frame).rows == ROWS
    assert load(frame, missing=[-200.0]).rows == 190


@pytest.mark.parametrize("cell", ["n/k", np.inf, "12,5"])
def test_a_target_that_is_no_number_is_invalid_and_not_missing(cell: Any) -> None:
    frame = partial()
    frame = frame.assign(f=[cell if row == 100 else target for row, target in enumerate(frame["f"])])
    with pytest.raises(DataError, match="1 value in 1 row"):
        load(frame)
    assert load(frame, invalid="drop").rows == 189


def test_a_head_without_any_target_is_named() -> None:
    with pytest.raises(DataError, match=r"'f' \(heads\.f\.column\) has no value"):
        load(rows().assign(f=np.nan))


def test_a_table_without_any_target_has_no_row_to_use() -> None:
    with pytest.raises(DataError, match="no row is left"):
        load(rows().assign(f=np.nan, g=np.nan))


def test_a_head_without_known_targets_in_a_part_is_named() -> None:
    frame = rows()
    frame.loc[5:, "f"] = np.nan
    dataset = load(frame)
    with pytest.raises(DataError, match=r"heads\.f: .* known target.* In the table 5 of 200 rows"):
        split_rows(experiment(), dataset)


def test_the_digest_of_rows_with_gaps_does_not_depend_on_their_order() -> None:
    frame = partial()
    assert load(frame).digest == load(frame.sample(frac=1.0, random_state=1)).digest != load(rows()).digest
    assert split_rows(experiment(), load(frame)).digest == split_rows(experiment(), load(frame)).digest


def test_equal_rows_with_the_same_gaps_are_repetitions() -> None:
    frame = pd.concat([partial(), partial().iloc[[0, 1, 90]]], ignore_index=True)
    assert load(frame, duplicates="drop").rows == 190
    splitter = load(frame, duplicates="together").splitter
    assert isinstance(splitter, Group) and splitter.count == 190


def test_training_rows_hold_the_gaps_of_their_rows() -> None:
    dataset = load(partial())
    split = split_rows(experiment(), dataset)
    np.testing.assert_array_equal(training_rows(dataset, split).y, dataset.y[split.train])


# --- records ---


def test_the_policy_is_not_in_the_key_of_a_sweep_since_the_digest_of_the_rows_is() -> None:
    keys = [sweep_key_fields(experiment(policy=policy)) for policy in ("mask", "drop")]
    assert keys[0] == keys[1]
    assert "targets" not in keys[0]


def test_a_sweep_recorded_before_there_was_a_policy_leaves_rows_without_targets_out() -> None:
    recorded = dump_yaml(experiment(invalid="drop"))
    before = recorded.replace("targets:\n  missing: mask\n", "")
    assert "targets" in recorded and "targets" not in before
    assert parse_recorded_experiment(recorded, "record").targets.missing == "mask"
    assert parse_recorded_experiment(before, "record").targets.missing == "drop"


# --- weights ---


def test_weights_of_rows_and_heads_multiply() -> None:
    frame = rows()
    weights = load(frame, heads={"f": {"weight": "v"}, "g": {}}, weight="w").weights
    assert weights is not None
    np.testing.assert_allclose(weights, np.stack([2.0 * frame["w"], frame["w"]], axis=1))


def test_weights_are_no_inputs_and_are_in_the_digest() -> None:
    frame = rows()
    weighted = with_named_inputs(experiment(inputs="*", weight="w", heads={"f": {"weight": "v"}, "g": {}}), frame)
    assert list(weighted.table.inputs) == ["a", "b"]
    digests = {load(frame).digest, load(frame, weight="w").digest, load(frame.assign(w=frame["w"] * 2), weight="w").digest}
    assert len(digests) == 3


def test_weights_of_1_are_no_weights() -> None:
    assert load(rows().assign(w=1.0), weight="w").weights is None


@pytest.mark.parametrize(("weight", "match"), [(-0.5, "from 0"), (1e40, "from 0"), ("heavy", "not a finite number")])
def test_a_weight_that_is_none_is_named(weight: Any, match: str) -> None:
    frame = rows()
    frame = frame.assign(w=[weight if row == 3 else cell for row, cell in enumerate(frame["w"])])
    with pytest.raises(DataError, match=f"'w'.*row 5.*{match}|{match}.*'w' row 5"):
        load(frame, weight="w")


def test_a_head_whose_weights_are_all_0_in_a_part_is_named() -> None:
    frame = rows()
    frame["w"] = np.where(np.arange(ROWS) < 5, 1.0, 0.0)
    chosen = experiment(heads={"f": {"weight": "w"}, "g": {}})
    with pytest.raises(DataError, match=r"heads\.f: .* weight above 0"):
        split_rows(chosen, load_dataset(chosen, frame))


@pytest.mark.parametrize(
    ("heads", "table", "key"),
    [
        ({"f": {}}, {"weight": "a"}, "table.weight"),
        ({"f": {"weight": "f"}}, {}, "heads.f.weight"),
        ({"f": {"weight": "w"}}, {"weight": "w"}, "heads.f.weight"),
    ],
    ids=["an input", "a target", "twice"],
)
def test_a_column_that_cannot_weigh_is_a_mistake(
    heads: dict[str, Any], table: dict[str, Any], key: str, tmp_path: Path
) -> None:
    written = {"name": "w", "table": {"source": "t.csv", "inputs": ["a"], **table}, "heads": heads, "space": {"dimensions": {}}}
    path = tmp_path / "w.yaml"
    path.write_text(json.dumps(written))
    with pytest.raises(ConfigError, match=key):
        Experiment.from_yaml(path)


def test_keys_of_sweeps_without_weights_are_as_they_were() -> None:
    fields = sweep_key_fields(experiment())
    assert "weight" not in fields["table"]
    assert all("weight" not in head for head in fields["heads"].values())
    assert sweep_key_fields(experiment(weight="w"))["table"]["weight"] == "w"


def test_weights_of_a_test_table_stand_beside_those_of_the_training_rows() -> None:
    training, test = load(rows(), weight="w"), replace(load(rows(), weight="w"), weights=None, path=Path("test.csv"))
    weights = with_test_table(training, test).weights
    assert weights is not None and training.weights is not None
    np.testing.assert_array_equal(weights, np.concatenate([training.weights, np.ones((ROWS, 2))]))
