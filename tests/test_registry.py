"""The registry: a tiny network is crowned, and predicts in natural units wherever it is loaded."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray

from branchsweep import scaling, serving
from branchsweep.errors import DataError, LedgerError
from branchsweep.ledgers.mlflow import MlflowLedger, load_predictor
from branchsweep.roles import Candidate, Verdict
from contracts import recorded, sweep_record

INPUTS = ["AT", "AP", "RH"]
UNITS = {"PE": "MW", "V": "cm Hg", "T": "°C"}

RAW = pd.DataFrame(
    {"RH": [73.17, 59.08, 92.14], "note": ["a", "b", "c"], "AT": [14.96, 25.18, 5.11], "AP": [1024.07, 1020.04, 1012.16]},
    index=[30, 10, 20],
)
"""Raw inputs as people have them: another order, a column too many, an index of their own."""

IN_A_FRESH_PROCESS = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "branchsweep":
            raise ImportError("this machine has MLflow and Keras, but not branchsweep")

sys.meta_path.insert(0, Blocked())
import mlflow, pandas

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
table = pandas.DataFrame(json.loads(sys.argv[3]), index=[30, 10, 20])
answers = model.predict(table)
example = model.predict(model.input_example)
print(json.dumps({"index": list(answers.index), "answers": answers.to_dict("list"), "example": len(example)}))
"""


class Network:
    """A tiny branched network with its scalers, as the trainer exports it.

    Args:
        folder: Where it is exported to.
        heads: Its heads.
        seed: Decides its weights.
        input_scaling: How its inputs are scaled.
    """

    def __init__(
        self, folder: Path, heads: Sequence[str] = ("PE", "V"), seed: int = 1, input_scaling: str = "standard"
    ) -> None:
        self.folder, self.heads = folder, heads
        random = np.random.default_rng(seed)
        rows = random.normal([20.0, 1013.0, 73.0], [7.0, 6.0, 15.0], (500, 3))
        targets = random.normal(450.0, 17.0, (500, len(heads)))
        self.input_scaler, self.target_scaler = scaling.fit(input_scaling, rows), scaling.fit("standard", targets)
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((3,))
        trunk = keras.layers.Dense(4, "tanh")(inputs)
        self.model = keras.Model(inputs, {head: keras.layers.Dense(1, name=head)(trunk) for head in heads})
        folder.mkdir()
        self.model.save(folder / "model.keras")
        manifest = {
            "inputs": INPUTS,
            "heads": [{"name": head, "unit": UNITS[head]} for head in heads],
            "input_scaler": self.input_scaler,
            "target_scaler": self.target_scaler,
        }
        (folder / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")

    def by_hand(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """What must come out: Keras between the scalers."""
        scaled = serving.transform(self.input_scaler, table[INPUTS].to_numpy(np.float64))
        outputs = self.model(scaled.astype(np.float32))
        columns = np.concatenate([np.asarray(outputs[head]) for head in self.heads], axis=1).astype(np.float64)
        return serving.inverse(self.target_scaler, columns)

    def candidate(self, model: str, number: int = 3) -> Candidate:
        test = {"test_r2/PE": 0.9375, "test_r2/mean": 0.875, "test_rmse/PE": 4.25}
        result = recorded(number)
        return Candidate(
            model, self.folder, result, result.score.value, "mean_r2", test, data_digest="table-1", split_digest="split-1"
        )


CROWNED = Verdict(crown=True, because="mean validation R² 0.8650, above 0.8600 of version 1")
UNCROWNED = Verdict(crown=False, because="worse on V")


@pytest.mark.parametrize(
    ("heads", "input_scaling"), [(("PE", "V"), "standard"), (("PE", "V", "T"), "quantile"), (("V",), "min_max")]
)
def test_the_champion_predicts_what_keras_and_the_scalers_do(
    mlflow_store: str, tmp_path: Path, heads: Sequence[str], input_scaling: str
) -> None:
    network = Network(tmp_path / "model", heads, input_scaling=input_scaling)
    MlflowLedger.open(sweep_record(), mlflow_store).crown(network.candidate("plant"), CROWNED)
    predict = load_predictor("models:/plant@champion", mlflow_store)
    assert predict.inputs == INPUTS
    answers = predict(RAW)
    assert list(answers.columns) == list(heads)
    assert list(answers.index) == [30, 10, 20]
    np.testing.assert_allclose(answers.to_numpy(), network.by_hand(RAW), rtol=1e-6)


@pytest.mark.parametrize("heads", [("PE", "V"), ("PE", "V", "T")])
def test_it_loads_where_branchsweep_is_not(mlflow_store: str, tmp_path: Path, heads: Sequence[str]) -> None:
    network = Network(tmp_path / "model", heads)
    MlflowLedger.open(sweep_record(), mlflow_store).crown(network.candidate("plant"), CROWNED)
    shutil.rmtree(network.folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [
        sys.executable,
        "-I",
        "-c",
        IN_A_FRESH_PROCESS,
        mlflow_store,
        "models:/plant@champion",
        json.dumps(RAW.to_dict("list")),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["index"] == [30, 10, 20]
    assert told["example"] == 1
    assert list(told["answers"]) == list(heads)
    np.testing.assert_allclose(pd.DataFrame(told["answers"]).to_numpy(), network.by_hand(RAW), rtol=1e-6)


def test_the_alias_moves_with_the_title_and_only_then(mlflow_store: str, tmp_path: Path) -> None:
    networks = [Network(tmp_path / f"model{seed}", seed=seed) for seed in (1, 2, 3)]
    ledger = MlflowLedger.open(sweep_record(), mlflow_store)
    for network, verdict, reigning in zip(networks, (CROWNED, UNCROWNED, CROWNED), (0, 0, 2), strict=True):
        ledger.crown(network.candidate("plant"), verdict)
        answers = load_predictor("models:/plant@champion", mlflow_store)(RAW)
        np.testing.assert_allclose(answers.to_numpy(), networks[reigning].by_hand(RAW), rtol=1e-6)
    second = load_predictor("models:/plant/2", mlflow_store)(RAW)
    np.testing.assert_allclose(second.to_numpy(), networks[1].by_hand(RAW), rtol=1e-6)


def test_behind_a_server(mlflow_server: str, tmp_path: Path) -> None:
    network, name = Network(tmp_path / "model"), f"plant-{uuid4().hex[:8]}"
    ledger = MlflowLedger.open(sweep_record(name=name), mlflow_server)
    crowned = ledger.crown(network.candidate(name), CROWNED)
    assert ledger.champion(name) == crowned
    shutil.rmtree(network.folder)
    answers = load_predictor(f"models:/{name}@champion", mlflow_server)(RAW)
    np.testing.assert_allclose(answers.to_numpy(), network.by_hand(RAW), rtol=1e-6)


def test_the_version_tells_where_it_comes_from(mlflow_store: str, tmp_path: Path) -> None:
    ledger = MlflowLedger.open(sweep_record(), mlflow_store)
    ledger.crown(Network(tmp_path / "model").candidate("plant", 7), CROWNED)
    client = MlflowClient(mlflow_store, mlflow_store)
    version = client.get_model_version_by_alias("plant", "champion")
    assert version.tags == {
        "branchsweep.sweep": ledger.run_id,
        "branchsweep.trial": "7",
        "branchsweep.value": repr(recorded(7).score.value),
        "branchsweep.rule": "mean_r2",
        "branchsweep.data_digest": "table-1",
        "branchsweep.split_digest": "split-1",
        "branchsweep.because": CROWNED.because,
        "branchsweep.crowned": "true",
        "branchsweep.test_r2/PE": "0.9375",
        "branchsweep.test_r2/mean": "0.875",
        "branchsweep.test_rmse/PE": "4.25",
    }
    assert version.run_id == ledger.run_id
    assert version.description == CROWNED.because
    parent = client.get_run(ledger.run_id)
    assert parent.data.metrics.items() >= {"test_r2/PE": 0.9375, "test_r2/mean": 0.875, "test_rmse/PE": 4.25}.items()
    assert parent.outputs is not None
    (output,) = parent.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.source_run_id == ledger.run_id
    assert logged.status == "READY"
    assert {metric.key: metric.value for metric in logged.metrics or []}["test_r2/PE"] == 0.9375
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "plant", "version": "1"}]


def test_the_model_describes_itself(mlflow_store: str, tmp_path: Path) -> None:
    import mlflow

    ledger = MlflowLedger.open(sweep_record(), mlflow_store)
    ledger.crown(Network(tmp_path / "model").candidate("plant"), CROWNED)
    (folder,) = (tmp_path / "mlruns" / "contract" / "models").glob("*/artifacts")
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.metadata.signature.inputs.input_names() == INPUTS
    assert [(column.name, str(column.type)) for column in model.metadata.signature.outputs] == [
        ("PE", "DataType.double"),
        ("V", "DataType.double"),
    ]
    assert model.metadata.metadata == {"units": {"PE": "MW", "V": "cm Hg"}}
    assert list(model.input_example.columns) == INPUTS
    pinned = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition("==")[0] for line in pinned} == {"mlflow", "keras", "tensorflow", "numpy", "pandas", "scipy"}
    assert all("==" in line for line in pinned)
    assert not list(folder.rglob("*.pkl")), "nothing of ours is pickled"


def test_models_of_different_versions_of_the_code_live_side_by_side(
    mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(tmp_path / "model")
    ledger = MlflowLedger.open(sweep_record(), mlflow_store)
    ledger.crown(network.candidate("plant"), CROWNED)
    later = tmp_path / "serving.py"
    code = Path(serving.__file__).read_text(encoding="utf-8")
    later.write_text(code.replace("values * np.asarray", "1000 + values * np.asarray"), encoding="utf-8")
    monkeypatch.setattr(serving, "__file__", str(later))
    ledger.crown(network.candidate("plant"), CROWNED)
    first, second = (load_predictor(f"models:/plant/{version}", mlflow_store)(RAW).to_numpy() for version in (1, 2))
    np.testing.assert_allclose(second - first, 1000.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("plant", "expected models:/NAME@champion or models:/NAME/VERSION"),
        ("models:/plant", "expected models:/NAME@champion or models:/NAME/VERSION"),
        ("models:/palnt@champion", "there are plant; did you mean 'plant'?"),
        ("models:/plant@winner", "there is no models:/plant@winner; of 'plant' there are @champion, 1"),
        ("models:/plant/2", "there is no models:/plant/2; of 'plant' there are @champion, 1"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_those_that_are(
    mlflow_store: str, tmp_path: Path, asked: str, told: str
) -> None:
    MlflowLedger.open(sweep_record(), mlflow_store).crown(Network(tmp_path / "model").candidate("plant"), CROWNED)
    with pytest.raises(LedgerError) as caught:
        load_predictor(asked, mlflow_store)
    assert told in str(caught.value)


def test_a_store_without_models_says_so(mlflow_store: str) -> None:
    with pytest.raises(LedgerError, match="nothing is registered"):
        load_predictor("models:/plant@champion", mlflow_store)


def test_a_title_that_somebody_gave_by_hand_has_no_value(mlflow_store: str, tmp_path: Path) -> None:
    ledger = MlflowLedger.open(sweep_record(), mlflow_store)
    client = MlflowClient(mlflow_store, mlflow_store)
    client.create_registered_model("foreign")
    version = client.create_model_version("foreign", (tmp_path / "anything").as_uri(), run_id=ledger.run_id)
    client.set_registered_model_alias("foreign", "champion", version.version)
    champion = ledger.champion("foreign")
    assert champion is not None
    assert math.isnan(champion.value)
    assert (champion.version, champion.data_digest, champion.sweep) == (1, "", "")


class TestPredictor:
    @pytest.fixture
    def network(self, tmp_path: Path) -> Network:
        return Network(tmp_path / "model")

    def test_whole_numbers_are_numbers(self, network: Network) -> None:
        table = pd.DataFrame({"AT": [15, 20], "AP": np.array([1010, 1020], np.int32), "RH": pd.array([70, 80], "Int64")})
        np.testing.assert_allclose(serving.Predictor(network.folder).predict(table), network.by_hand(table), rtol=1e-6)

    def test_a_missing_value_makes_its_row_nan(self, network: Network) -> None:
        answers = serving.Predictor(network.folder).predict(RAW.assign(AT=[14.96, np.nan, 5.11]))
        assert answers.isna().all(axis=1).tolist() == [False, True, False]

    def test_a_table_without_rows(self, network: Network) -> None:
        answers = serving.Predictor(network.folder).predict(RAW.iloc[:0])
        assert answers.shape == (0, 2)
        assert list(answers.columns) == ["PE", "V"]

    def test_a_big_table_goes_in_pieces(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(serving, "ROWS_AT_ONCE", 7)
        table = pd.concat([RAW] * 10)
        np.testing.assert_allclose(serving.Predictor(network.folder).predict(table), network.by_hand(table), rtol=1e-6)

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"AT": None}, "but the model also needs ['AT']"),
            ({"AT": ["warm", "mild", "cold"]}, "column 'AT' must hold numbers"),
        ],
    )
    def test_a_table_that_does_not_fit_is_refused(self, network: Network, changed: dict[str, Any], told: str) -> None:
        table = RAW.assign(**changed) if changed["AT"] else RAW.drop(columns="AT")
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is looked at below
            serving.Predictor(network.folder).predict(table)
        assert told in str(caught.value)

    @pytest.mark.parametrize("input_scaling", ["none", "min_max", "standard", "quantile"])
    def test_the_example_can_be_predicted(self, tmp_path: Path, input_scaling: str) -> None:
        predictor = serving.Predictor(Network(tmp_path / "other", input_scaling=input_scaling).folder)
        assert list(predictor.example.columns) == INPUTS
        assert predictor.predict(predictor.example).notna().all(axis=None)


def test_what_the_command_line_gets_to_know_of_a_table_that_does_not_fit(mlflow_store: str, tmp_path: Path) -> None:
    MlflowLedger.open(sweep_record(), mlflow_store).crown(Network(tmp_path / "model").candidate("plant"), CROWNED)
    predict = load_predictor("models:/plant@champion", mlflow_store)
    with pytest.raises(DataError, match=r"needs the columns AT, AP, RH, but the table has no AT; did you mean 'TA'\?"):
        predict(RAW.rename(columns={"AT": "TA"}))
    with pytest.raises(DataError, match="cannot predict this table: column 'AT' must hold numbers"):
        predict(RAW.assign(AT="warm"))
