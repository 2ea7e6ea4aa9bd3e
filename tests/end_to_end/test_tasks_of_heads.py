"""Heads of several tasks, among them one of three classes, from a YAML file to predictions over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import load_model, scoring_server
from sklearn.metrics import d2_log_loss_score, r2_score

import branchsweep
from branchsweep.config.addresses import Address
from branchsweep.config.yaml.loading import load_comparison, load_experiment
from branchsweep.tracking.mlflow.model import download_model, save_model
from branchsweep.workflows.launch import launch_comparison, launch_replay, launch_sweep
from branchsweep.workflows.session import Session, load_rows

YAML = """
name: mixed
table: {source: plant.csv, inputs: [a, b]}
heads:
  load: {unit: MW}
  trip: {}
  state: {}
  starts: {task: count}
  load_q90: {column: load, task: quantile, quantile: 0.9}
  range: {column: load, task: quantile, quantiles: [0.1, 0.5, 0.9]}
space: {dimensions: {learning_rate: {type: float, low: 3.0e-3, high: 3.0e-2, log: true}}}
search: {driver: random, trials: 3, batch: 3}
fit: {epochs: 30}
pruning: none
confirmation: {trials: 2, folds: 2, seeds: 1}
baselines: [linear_regression]
promotion:
  model: mixed
  ensemble: {size: 2, choose: stack, members: any}  # what is planted is linear, and regressions find it
  gate: {first: any}
"""


def plant(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, rows))
    load = 100 + 10 * a + 5 * b + random.normal(size=rows)
    trip = np.where(a + 0.3 * random.normal(size=rows) > 0, "tripped", "ok")
    state = np.array(["low load", "normal", "overload"])[np.digitize(b + 0.3 * random.normal(size=rows), [-0.6, 0.6])]
    starts = random.poisson(np.exp(0.8 * b))
    return pd.DataFrame({"a": a, "b": b, "load": load, "trip": trip, "state": state, "starts": starts})


@pytest.mark.slow
def test_heads_of_five_tasks_are_swept_promoted_and_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = plant(800)
    table.to_csv("plant.csv", index=False)
    Path("mixed.yaml").write_text(YAML, encoding="utf-8")
    experiment, store = load_experiment(Path("mixed.yaml")), Address(f"sqlite:///{tmp_path}/mlflow.db")
    summary = launch_sweep(experiment, Session(tracking_uri=store))
    assert summary.registered is not None and summary.registered.promoted
    assert dict(summary.score_metrics) == {
        "load": "r2", "trip": "d2_log_loss", "state": "d2_log_loss", "starts": "d2_poisson", "load_q90": "d2_pinball",
        "range": "d2_pinball",
    }  # fmt: skip
    assert summary.test_scores is not None
    assert min(summary.test_scores.values()) > 0.2
    (baseline,) = summary.baselines
    assert baseline.name == "linear, logistic, Poisson and quantile regression"
    assert baseline.estimators["trip"] == baseline.estimators["state"] == "logistic regression"
    assert summary.ensemble is not None
    for head in summary.score_metrics:
        weights = {member.name: member.weights[head] for member in summary.ensemble.members}
        assert sum(weights.values()) == pytest.approx(1.0)
        assert weights[baseline.name] > 0.05

    _, split = load_rows(experiment, Session(tracking_uri=store))
    test = table.iloc[split.test]
    predicted = branchsweep.load_model("models:/mixed@champion", str(store)).predict(test)
    of_state = [f"state_probability_{label}" for label in ("low load", "normal", "overload")]
    of_range = ["range_q10", "range_q50", "range_q90"]
    assert list(predicted) == ["load", "trip", "trip_probability", "state", *of_state, "starts", "load_q90", *of_range]
    assert r2_score(test["load"], predicted["load"]) == pytest.approx(summary.test_scores["load"])
    explained = d2_log_loss_score(test["trip"] == "tripped", predicted["trip_probability"])
    assert explained == pytest.approx(summary.test_scores["trip"], rel=1e-4)
    assert set(predicted["trip"]) == {"ok", "tripped"}
    assert ((predicted["trip"] == "tripped") == (predicted["trip_probability"] > 0.5)).all()
    explained = d2_log_loss_score(test["state"], predicted[of_state], labels=["low load", "normal", "overload"])
    assert explained == pytest.approx(summary.test_scores["state"], rel=1e-4)
    assert (predicted["state"] == test["state"]).mean() > 0.7
    assert (predicted["starts"] > 0).all()
    assert (predicted[of_range].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    inside = (predicted["range_q10"] <= test["load"]) & (test["load"] <= predicted["range_q90"])
    assert 0.6 <= inside.mean() <= 0.95
    assert 0.8 <= (test["load"] <= predicted["load_q90"]).mean() <= 0.98

    (tmp_path / "files").mkdir()
    save_model(download_model("models:/mixed@champion", tmp_path / "files", store), tmp_path / "served")
    served = load_model(str(tmp_path / "served"))
    invoke: Any = scoring_server.invocations
    body = json.dumps({"dataframe_records": test[["a", "b"]].to_dict("records")})
    answered = invoke(body, "application/json", served, served.metadata.signature.inputs)
    assert answered.status == 200, answered.response
    pd.testing.assert_frame_equal(
        pd.DataFrame(json.loads(answered.response)["predictions"]), predicted.reset_index(drop=True), rtol=1e-5
    )

    replayed = launch_replay("mixed", Session(tracking_uri=store), trial=summary.finalist.trial if summary.finalist else 0)
    assert replayed.agrees


COMPARISON = """
name: one_or_several
experiment: three.yaml
contestants:
  branched: {kind: network}
  single: {kind: single}
  linear: {kind: estimator, estimator: linear_regression}
reference: branched
budget: {trials: 3}
tuning: once
networks: 1
"""

THREE = """
name: three
table: {source: plant.csv, inputs: [a, b]}
heads: {load: {unit: MW}, trip: {}, state: {}}
space: {dimensions: {learning_rate: {type: float, low: 3.0e-3, high: 3.0e-2, log: true}}}
fit: {epochs: 20}
"""


@pytest.mark.slow
def test_one_network_for_heads_of_three_tasks_is_compared_with_one_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plant(600).to_csv("plant.csv", index=False)
    Path("three.yaml").write_text(THREE, encoding="utf-8")
    Path("compare.yaml").write_text(COMPARISON, encoding="utf-8")
    store = Address(f"sqlite:///{tmp_path}/mlflow.db")
    comparison = load_comparison(Path("compare.yaml"))
    result, _ = launch_comparison(comparison, Session(tracking_uri=store), lambda *_: {})
    assert [gain.head for gain in result.transfer if gain.head != "mean"] == ["load", "trip", "state"]
    assert {(test.head, test.test.value) for test in result.transfer_tests} == {
        ("trip", "mcnemar"), ("trip", "delong"), ("state", "mcnemar"),
    }  # fmt: skip
    for contestant in result.contestants:
        assert min(np.mean(contestant.scores[head]) for head in ("load", "trip", "state")) > 0.2, contestant.name
