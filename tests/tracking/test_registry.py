"""The registry: a tiny network is registered and promoted, and predicts in natural units wherever it is loaded."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import keras
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.models import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.types import ColSpec, DataType, Schema
from numpy.typing import NDArray

from branchsweep.config.addresses import Address
from branchsweep.config.codec import to_json
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.errors import DataError, TrackingError
from branchsweep.models import serving
from branchsweep.tracking.champion_history import ChampionTenure, RollbackResult
from branchsweep.tracking.mlflow.champion_change import ChampionChanger
from branchsweep.tracking.mlflow.model import download_model, load_predictor
from branchsweep.tracking.mlflow.registry import MlflowRegistry, open_registry
from branchsweep.tracking.mlflow.store import store_lock
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionCause, PromotionDecision
from contracts.results import example_result
from contracts.tracking_records import register, sweep_record
from processes import start_python
from recorded_runs import client_of
from served_alone import BLOCK_BRANCHSWEEP
from servers import free_port, running_server

INPUTS = ["AT", "AP", "RH"]
UNITS = {"PE": "MW", "V": "cm Hg", "T": "°C"}

RAW = pd.DataFrame(
    {"RH": [73.17, 59.08, 92.14], "note": ["a", "b", "c"], "AT": [14.96, 25.18, 5.11], "AP": [1024.07, 1020.04, 1012.16]},
    index=[30, 10, 20],
)
"""Raw inputs as people have them: another order, a column too many, an index of their own."""

PREDICT_IN_NEW_PROCESS = """
import json, mlflow, pandas

mlflow.set_tracking_uri(sys.argv[1])
table = pandas.DataFrame(json.loads(sys.argv[2]), index=[30, 10, 20])
for uri in sys.argv[3:]:
    model = mlflow.pyfunc.load_model(uri)
    predictions = model.predict(table)
    example = model.predict(model.input_example)
    print(json.dumps({"index": list(predictions.index), "predictions": predictions.to_dict("list"), "example": len(example)}))
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
        self.folder, self.heads, self.seed = folder, heads, seed
        random = np.random.default_rng(seed)
        rows = random.normal([20.0, 1013.0, 73.0], [7.0, 6.0, 15.0], (500, 3))
        targets = random.normal(450.0, 17.0, (500, len(heads)))
        self.input_encoder = encoder_kind(input_scaling).fit(rows, targets)
        self.target_encoder = encoder_kind("standard").fit(targets, targets)
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((3,))
        trunk = keras.layers.Dense(4, "tanh")(inputs)
        self.model = keras.Model(inputs, {head: keras.layers.Dense(1, name=head)(trunk) for head in heads})
        folder.mkdir()
        self.model.save(folder / "model.keras")
        manifest = {
            "inputs": INPUTS,
            "heads": [{"name": head, "unit": UNITS[head]} for head in heads],
            "ranges": np.stack([rows.min(0), rows.max(0)], axis=1).tolist(),
            "input_scalers": {"inputs": self.input_encoder.to_json()},
            "target_scaler": self.target_encoder.to_json(),
        }
        (folder / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")
        (folder / f"encoder_{self.input_encoder.kind}.py").write_text(self.input_encoder.serving_source(), encoding="utf-8")

    def expected_predictions(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """The predictions of Keras between the encoders, in natural units."""
        scaled = self.input_encoder.transform(table[INPUTS].to_numpy(np.float64))
        outputs = self.model(scaled.astype(np.float32))
        columns = np.concatenate([np.asarray(outputs[head]) for head in self.heads], axis=1).astype(np.float64)
        return self.target_encoder.inverse(columns)

    def candidate(self, model: str, number: int | None = None, files: Mapping[str, str] | None = None) -> ModelCandidate:
        """The network as that of a trial; as that of a trial of its own, if no number is given."""
        test = {"test_r2/PE": 0.9375, "test_r2/mean": 0.875, "test_rmse/PE": 4.25}
        result = example_result(2 + self.seed if number is None else number)
        return ModelCandidate(
            model,
            self.folder,
            "",
            sweep_record().yaml,
            result,
            result.score.value,
            "mean_r2",
            test,
            "table-1",
            "split-1",
            files or {},
        )


PROMOTED = PromotionDecision(True, "mean validation R² 0.8650, above 0.8600 of version 1", cause=PromotionCause.BETTER)
REFUSED = PromotionDecision(False, "worse on V", cause=PromotionCause.HEAD_WORSE)


@pytest.mark.parametrize(
    ("heads", "input_scaling"), [(("PE", "V"), "standard"), (("PE", "V", "T"), "quantile"), (("V",), "min_max")]
)
def test_a_registered_model_predicts_as_keras_and_the_scalers_do(
    mlflow_store: Address, tmp_path: Path, heads: Sequence[str], input_scaling: str
) -> None:
    network = Network(tmp_path / "model", heads, input_scaling=input_scaling)
    register(MlflowTracker.open(sweep_record(), mlflow_store).tracking, network.candidate("plant"), PROMOTED)
    predict = load_predictor("models:/plant@champion", mlflow_store)
    assert predict.inputs == INPUTS
    predictions = predict(RAW)
    assert list(predictions.columns) == list(heads)
    assert list(predictions.index) == [30, 10, 20]
    np.testing.assert_allclose(predictions.to_numpy(), network.expected_predictions(RAW), rtol=1e-6)


def test_a_registered_model_loads_without_branchsweep(mlflow_store: Address, tmp_path: Path) -> None:
    networks = {"two": Network(tmp_path / "two", ("PE", "V")), "three": Network(tmp_path / "three", ("PE", "V", "T"))}
    for name, network in networks.items():
        register(MlflowTracker.open(sweep_record(), mlflow_store).tracking, network.candidate(name), PROMOTED)
        shutil.rmtree(network.folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [
        sys.executable,
        "-I",
        "-c",
        BLOCK_BRANCHSWEEP + PREDICT_IN_NEW_PROCESS,
        str(mlflow_store),
        json.dumps(RAW.to_dict("list")),
        *(f"models:/{name}@champion" for name in networks),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for network, line in zip(networks.values(), done.stdout.splitlines(), strict=True):
        report = json.loads(line)
        assert report["index"] == [30, 10, 20]
        assert report["example"] == 1
        assert list(report["predictions"]) == list(network.heads)
        np.testing.assert_allclose(pd.DataFrame(report["predictions"]).to_numpy(), network.expected_predictions(RAW), rtol=1e-6)


def test_the_champion_alias_moves_with_a_promotion_only(mlflow_store: Address, tmp_path: Path) -> None:
    networks = [Network(tmp_path / f"model{seed}", seed=seed) for seed in (1, 2, 3)]
    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    for network, decision, expected in zip(networks, (PROMOTED, REFUSED, PROMOTED), (0, 0, 2), strict=True):
        register(tracker.tracking, network.candidate("plant"), decision)
        predictions = load_predictor("models:/plant@champion", mlflow_store)(RAW)
        np.testing.assert_allclose(predictions.to_numpy(), networks[expected].expected_predictions(RAW), rtol=1e-6)
    second = load_predictor("models:/plant/2", mlflow_store)(RAW)
    np.testing.assert_allclose(second.to_numpy(), networks[1].expected_predictions(RAW), rtol=1e-6)


def test_a_model_is_registered_through_a_server(mlflow_server: str, tmp_path: Path) -> None:
    network, name = Network(tmp_path / "model"), f"plant-{uuid4().hex[:8]}"
    tracker = MlflowTracker.open(sweep_record(name=name), Address(mlflow_server))
    champion = register(tracker.tracking, network.candidate(name), PROMOTED)
    assert tracker.tracking.registry.champion(name) == champion
    shutil.rmtree(network.folder)
    predictions = load_predictor(f"models:/{name}@champion", Address(mlflow_server))(RAW)
    np.testing.assert_allclose(predictions.to_numpy(), network.expected_predictions(RAW), rtol=1e-6)


def test_a_version_has_tags_of_its_sweep_and_trial(mlflow_store: Address, tmp_path: Path) -> None:
    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    register(tracker.tracking, Network(tmp_path / "model").candidate("plant", 7), PROMOTED)
    client = client_of(mlflow_store)
    version = client.get_model_version_by_alias("plant", "champion")
    assert version.tags == {
        "branchsweep.sweep": tracker.run_id,
        "branchsweep.trial": "7",
        "branchsweep.value": repr(example_result(7).score.value),
        "branchsweep.rule": "mean_r2",
        "branchsweep.because": PROMOTED.because,
        "branchsweep.cause": "better",
        "branchsweep.promoted": "true",
        "branchsweep.test_r2/PE": "0.9375",
        "branchsweep.test_r2/mean": "0.875",
    }
    with tracker.tracking.registry.model_files("plant", 1) as folder:
        assert json.loads((folder / "evidence.json").read_text(encoding="utf-8"))["candidate"] == {
            "params": example_result(7).trial.params,
            "data_digest": "table-1",
            "split_digest": "split-1",
            "test": {"test_r2/PE": 0.9375, "test_r2/mean": 0.875, "test_rmse/PE": 4.25},
        }
    assert version.run_id == tracker.run_id
    assert version.description == PROMOTED.because
    parent = client.get_run(tracker.run_id)
    assert parent.data.metrics.items() >= {"test_r2/PE": 0.9375, "test_r2/mean": 0.875, "test_rmse/PE": 4.25}.items()
    assert parent.outputs is not None
    (output,) = parent.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.source_run_id == tracker.run_id
    assert logged.status == "READY"
    assert {metric.key: metric.value for metric in logged.metrics or []}["test_r2/PE"] == 0.9375
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "plant", "version": "1"}]


def test_a_model_has_a_signature_an_example_and_requirements(mlflow_store: Address, tmp_path: Path) -> None:
    import mlflow

    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    register(tracker.tracking, Network(tmp_path / "model").candidate("plant"), PROMOTED)
    (folder,) = (tmp_path / "mlruns" / "contract" / "models").glob("*/artifacts")
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.metadata.signature.inputs.input_names() == INPUTS
    assert [(column.name, str(column.type)) for column in model.metadata.signature.outputs] == [
        ("PE", "DataType.double"),
        ("V", "DataType.double"),
    ]
    numeric = {"kind": "numeric", "optional": False}
    assert model.metadata.metadata == {"units": {"PE": "MW", "V": "cm Hg"}, "inputs": dict.fromkeys(INPUTS, numeric)}
    assert list(model.input_example.columns) == INPUTS
    pinned = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition("==")[0] for line in pinned} == {"mlflow", "keras", "tensorflow", "numpy", "pandas", "scipy"}
    assert all("==" in line for line in pinned)
    assert not list(folder.rglob("*.pkl")), "nothing is pickled"


def test_predictions_may_warn_of_inputs_outside_the_training_range(mlflow_store: Address, tmp_path: Path) -> None:
    import mlflow

    network = Network(tmp_path / "model")
    register(MlflowTracker.open(sweep_record(), mlflow_store).tracking, network.candidate("plant"), PROMOTED)
    table = RAW.assign(AT=[14.96, 99.0, 5.11])
    predict = load_predictor("models:/plant@champion", mlflow_store)
    assert list(predict(table).columns) == ["PE", "V"]
    assert predict(table, warn=True)["outside"].tolist() == [False, True, False]
    (folder,) = (tmp_path / "mlruns" / "contract" / "models").glob("*/artifacts")
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.predict(table, params={"warn": True})["outside"].tolist() == [False, True, False]
    assert list(model.predict(table).columns) == ["PE", "V"]


def test_a_model_without_ranges_cannot_warn(mlflow_store: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from branchsweep.tracking.mlflow import model as mlflow_model

    signature = mlflow_model.signature

    def signature_without_params(predictor: serving.Predictor) -> Any:
        described = signature(predictor)
        return ModelSignature(described.inputs, described.outputs)

    monkeypatch.setattr(mlflow_model, "signature", signature_without_params)
    register(
        MlflowTracker.open(sweep_record(), mlflow_store).tracking, Network(tmp_path / "model").candidate("plant"), PROMOTED
    )
    predict = load_predictor("models:/plant@champion", mlflow_store)
    assert list(predict(RAW).columns) == ["PE", "V"]
    with pytest.raises(DataError, match="ranges"):
        predict(RAW, warn=True)


def test_the_files_of_a_model_can_be_downloaded(mlflow_store: Address, tmp_path: Path) -> None:
    network = Network(tmp_path / "model")
    register(MlflowTracker.open(sweep_record(), mlflow_store).tracking, network.candidate("plant"), PROMOTED)
    target = tmp_path / "fetched"
    target.mkdir()
    files = download_model("models:/plant@champion", target, mlflow_store)
    assert files.is_relative_to(target)
    for name in ("model.keras", "serving.json"):
        assert (files / name).read_bytes() == (network.folder / name).read_bytes()
    with pytest.raises(TrackingError, match="models:/plant/2"):
        download_model("models:/plant/2", target, mlflow_store)


def test_models_of_different_versions_of_the_code_load_in_one_process(
    mlflow_store: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(tmp_path / "model")
    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    register(tracker.tracking, network.candidate("plant"), PROMOTED)
    later = tmp_path / "serving.py"
    code = Path(serving.__file__).read_text(encoding="utf-8")
    later.write_text(code.replace("values * np.asarray", "1000 + values * np.asarray"), encoding="utf-8")
    monkeypatch.setattr(serving, "__file__", str(later))
    register(tracker.tracking, network.candidate("plant", number=4), PROMOTED)
    first, second = (load_predictor(f"models:/plant/{version}", mlflow_store)(RAW).to_numpy() for version in (1, 2))
    np.testing.assert_allclose(second - first, 1000.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("plant", "models:/NAME@champion"),
        ("models:/plant", "models:/NAME@champion"),
        ("models:/palnt@champion", "'plant'"),
        ("models:/plant@winner", "@champion, 1"),
        ("models:/plant@previous", "@champion, 1"),
        ("models:/plant/2", "@champion, 1"),
    ],
)
def test_the_error_for_an_unknown_model_names_the_known_ones(
    mlflow_store: Address, tmp_path: Path, uri: str, expected: str
) -> None:
    register(
        MlflowTracker.open(sweep_record(), mlflow_store).tracking, Network(tmp_path / "model").candidate("plant"), PROMOTED
    )
    with pytest.raises(TrackingError) as caught:
        load_predictor(uri, mlflow_store)
    assert expected in str(caught.value)


def test_the_error_for_a_store_without_models(mlflow_store: Address) -> None:
    with pytest.raises(TrackingError, match=f"'plant'.*{re.escape(str(mlflow_store))}"):
        load_predictor("models:/plant@champion", mlflow_store)


def aliases(store_uri: Address, model: str = "plant") -> dict[str, int]:
    registered = client_of(store_uri).get_registered_model(model)
    return {alias: int(version) for alias, version in registered.aliases.items()}


class TestChampionHistory:
    @pytest.fixture
    def networks(self, tmp_path: Path) -> list[Network]:
        return [Network(tmp_path / f"model{seed}", seed=seed) for seed in (1, 2, 3)]

    @pytest.fixture
    def tracker(self, mlflow_store: Address) -> MlflowTracker:
        return MlflowTracker.open(sweep_record(), mlflow_store)

    @pytest.fixture
    def registry(self, tracker: MlflowTracker, mlflow_store: Address) -> MlflowRegistry:
        return open_registry(mlflow_store)

    def test_aliases_name_champion_previous_and_challenger(
        self, tracker: MlflowTracker, mlflow_store: Address, networks: list[Network]
    ) -> None:
        seen = []
        for number, decision in enumerate((REFUSED, PROMOTED, REFUSED, PROMOTED)):
            register(tracker.tracking, networks[0].candidate("plant", number), decision)
            seen.append(aliases(mlflow_store))
        assert seen == [
            {"challenger": 1},
            {"challenger": 1, "champion": 2},
            {"challenger": 3, "champion": 2},
            {"challenger": 3, "champion": 4, "previous": 2},
        ]

    def test_a_rollback_restores_the_previous_champion_bit_for_bit(
        self, tracker: MlflowTracker, registry: MlflowRegistry, mlflow_store: Address, networks: list[Network]
    ) -> None:
        predictions = []
        for network in networks:
            register(tracker.tracking, network.candidate("plant"), PROMOTED)
            predictions.append(load_predictor("models:/plant@champion", mlflow_store)(RAW))
        assert registry.rollback("plant") == RollbackResult("plant", restored=2, replaced=3, previous=1)
        pd.testing.assert_frame_equal(
            load_predictor("models:/plant@champion", mlflow_store)(RAW), predictions[1], check_exact=True
        )
        assert aliases(mlflow_store) == {"champion": 2, "challenger": 3, "previous": 1}
        assert registry.rollback("plant") == RollbackResult("plant", restored=1, replaced=2, previous=None)
        pd.testing.assert_frame_equal(
            load_predictor("models:/plant@champion", mlflow_store)(RAW), predictions[0], check_exact=True
        )
        assert aliases(mlflow_store) == {"champion": 1, "challenger": 2}
        with pytest.raises(TrackingError, match=r"'plant'.* version 1"):
            registry.rollback("plant")
        register(tracker.tracking, networks[2].candidate("plant"), PROMOTED)
        assert aliases(mlflow_store) == {"champion": 4, "challenger": 2, "previous": 1}
        tenures = registry.history("plant").tenures
        assert [tenure.version for tenure in tenures] == [1, 2, 3, 2, 1, 4]
        assert {tenure.because for tenure in (*tenures[:3], tenures[5])} == {PROMOTED.because}
        assert [re.findall(r"\d+", tenure.because) for tenure in tenures[3:5]] == [["3"], ["2"]]  # rolled back from these

    def test_the_history_lists_versions_and_tenures(
        self, tracker: MlflowTracker, registry: MlflowRegistry, networks: list[Network]
    ) -> None:
        for number, decision in enumerate((PROMOTED, REFUSED, PROMOTED)):
            register(tracker.tracking, networks[number].candidate("plant", number), decision)
        history = registry.history("plant")
        assert [(version.version, version.aliases, version.trial, version.because) for version in history.versions] == [
            (3, ["champion"], 2, PROMOTED.because),
            (2, ["challenger"], 1, REFUSED.because),
            (1, ["previous"], 0, PROMOTED.because),
        ]
        assert {version.sweep for version in history.versions} == {tracker.run_id}
        assert history.versions[0].test == {"test_r2/PE": 0.9375, "test_r2/mean": 0.875}
        first, last = history.tenures
        assert (first.version, last.version, last.until) == (1, 3, None)
        assert first.until == last.since
        assert datetime.fromisoformat(first.since) <= datetime.fromisoformat(last.since)
        with pytest.raises(TrackingError, match=r"'palnt'.*'plant'"):
            registry.history("palnt")

    def test_a_long_history_is_stored_completely(
        self, tracker: MlflowTracker, registry: MlflowRegistry, networks: list[Network]
    ) -> None:
        register(tracker.tracking, networks[0].candidate("plant"), PROMOTED)
        long = [
            ChampionTenure(1, f"2026-01-{day:02}T00:00:00+00:00", "2027-01-01T00:00:00+00:00", "x" * 300)
            for day in range(1, 29)
        ]
        ChampionChanger(registry._client, "plant")._write(
            "champions", to_json([*long, *registry.history("plant").tenures], list[ChampionTenure])
        )
        register(tracker.tracking, networks[1].candidate("plant"), PROMOTED)
        assert [tenure.version for tenure in registry.history("plant").tenures] == [*([1] * 29), 2]

    def test_a_store_without_recorded_tenures_can_be_rolled_back(
        self, tracker: MlflowTracker, registry: MlflowRegistry, mlflow_store: Address, networks: list[Network]
    ) -> None:
        for network in networks[:2]:
            register(tracker.tracking, network.candidate("plant"), PROMOTED)
        client = client_of(mlflow_store)
        client.delete_registered_model_alias("plant", "previous")
        client.delete_registered_model_tag("plant", "branchsweep.champions")
        assert [tenure.version for tenure in registry.history("plant").tenures] == [1, 2]
        assert registry.rollback("plant").restored == 1

    def test_promotions_and_champions_under_the_former_names_of_their_tags_are_read_and_continued(
        self, tracker: MlflowTracker, registry: MlflowRegistry, mlflow_store: Address, networks: list[Network]
    ) -> None:
        for network in networks[:2]:
            register(tracker.tracking, network.candidate("plant"), PROMOTED)
        client = client_of(mlflow_store)
        champions = client.get_registered_model("plant").tags["branchsweep.champions"]
        client.set_registered_model_tag("plant", "branchsweep.reigned", champions)
        client.delete_registered_model_tag("plant", "branchsweep.champions")
        for version in ("1", "2"):
            client.set_model_version_tag("plant", version, "branchsweep.crowned", "true")
            client.delete_model_version_tag("plant", version, "branchsweep.promoted")
        assert [tenure.version for tenure in registry.history("plant").tenures] == [1, 2]
        client.delete_registered_model_tag("plant", "branchsweep.reigned")
        assert [tenure.version for tenure in registry.history("plant").tenures] == [1, 2], "from the versions alone"
        client.set_registered_model_tag("plant", "branchsweep.reigned", champions)
        assert registry.rollback("plant").restored == 1
        assert [tenure.version for tenure in registry.history("plant").tenures] == [1, 2, 1]

    def test_without_a_champion_there_is_nothing_to_roll_back(
        self, tracker: MlflowTracker, registry: MlflowRegistry, mlflow_store: Address, networks: list[Network]
    ) -> None:
        with pytest.raises(TrackingError, match=f"'plant'.*{re.escape(str(mlflow_store))}"):
            registry.rollback("plant")
        register(tracker.tracking, networks[0].candidate("plant"), REFUSED)
        with pytest.raises(TrackingError, match="'plant'"):
            registry.rollback("plant")
        assert aliases(mlflow_store) == {"challenger": 1}
        assert registry.history("plant").tenures == []

    def test_of_two_simultaneous_promotions_one_is_refused(
        self, tracker: MlflowTracker, registry: MlflowRegistry, mlflow_store: Address, tmp_path: Path, networks: list[Network]
    ) -> None:
        """Both have decided against version 1; they wait for each other, so that they register side by side."""
        register(tracker.tracking, networks[0].candidate("plant"), PROMOTED)
        processes = [start_python(PROMOTE_IN_NEW_PROCESS, str(mlflow_store), key, str(tmp_path)) for key in ("first", "second")]
        outputs = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], outputs
        winner, refused = sorted((json.loads(out) for out, _ in outputs), key=lambda report: "error" in report)
        assert "error" not in winner
        expected = (f"version {winner['version']}", "trial 5", winner["sweep"][:8], f"{winner['key']} is better")
        assert all(text in refused["error"] for text in expected)
        refused_version = 5 - winner["version"]  # of versions 2 and 3
        assert f"Version {refused_version}" in refused["error"]
        assert aliases(mlflow_store) == {"champion": winner["version"], "challenger": refused_version, "previous": 1}
        assert [tenure.version for tenure in registry.history("plant").tenures] == [1, winner["version"]]
        client = client_of(mlflow_store)
        assert client.get_model_version("plant", str(refused_version)).tags["branchsweep.promoted"] == "false"

    def test_waiting_too_long_for_the_lock_is_an_error(
        self, tracker: MlflowTracker, mlflow_store: Address, networks: list[Network], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("branchsweep.tracking.mlflow.store.LOCK_SECONDS", 0.1)
        with (
            store_lock(mlflow_store),
            pytest.raises(TrackingError, match=r"mlflow\.db\.lock.* 0\.1 s"),
        ):
            register(tracker.tracking, networks[0].candidate("plant"), PROMOTED)
        assert tracker.tracking.registry.champion("plant") is None


def test_a_champion_of_another_tool_is_named(mlflow_store: Address, tmp_path: Path) -> None:
    client = client_of(mlflow_store)
    client.create_registered_model("foreign")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    version = client.create_model_version("foreign", (tmp_path / "other").as_uri())
    client.set_registered_model_alias("foreign", "champion", version.version)
    registry = open_registry(mlflow_store)
    champion = registry.champion("foreign")
    assert champion is not None and (champion.sweep, champion.trial) == ("", -1)
    with (
        pytest.raises(TrackingError, match=r"version 1 of 'foreign' was not made by branchsweep.*promotion\.model"),
        registry.model_files("foreign", 1),
    ):
        pass


def test_the_lock_of_a_killed_process_is_released(mlflow_store: Address, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom branchsweep.config.addresses import Address\n"
        "from branchsweep.tracking.mlflow.store import store_lock\n"
        "with store_lock(Address(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)"
    )
    with start_python(code, str(mlflow_store)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        process.kill()
    with store_lock(mlflow_store):
        pass


PROMOTE_IN_NEW_PROCESS = """
import json, sys, time
from pathlib import Path
from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionCause, PromotionDecision, PromotionDecision
from contracts.tracking_records import example_candidate, register, sweep_record

store, key, folder = sys.argv[1:]
tracker = MlflowTracker.open(sweep_record(key), Address(store))
candidate = example_candidate(Path(folder) / key, "plant", 5)
(Path(folder) / f"{key}.ready").touch()
while len(list(Path(folder).glob("*.ready"))) < 2:
    time.sleep(0.01)
report = {"key": key, "sweep": tracker.run_id}
try:
    report["version"] = register(tracker.tracking, candidate, PromotionDecision(True, f"{key} is better", against=1)).version
except TrackingError as error:
    report["error"] = str(error)
print(json.dumps(report))
"""


class TestModelFiles:
    def test_card_and_evidence_are_stored_with_the_version(self, mlflow_store: Address, tmp_path: Path) -> None:
        card, evidence = "# plant\n\n![of PE](plots/predictions.png)\n", {"p": 0.01, "heads": {"PE": [0.1, 0.2]}}
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        candidate = Network(tmp_path / "model").candidate(
            "plant", files={"MODEL_CARD.md": card, "experiment.yaml": "name: x\n"}
        )
        register(tracker.tracking, candidate, replace(PROMOTED, evidence=evidence))
        client = client_of(mlflow_store)
        version = client.get_model_version_by_alias("plant", "champion")
        shown = f"![of PE](get-artifact?run_uuid={tracker.run_id}&path=plots/predictions.png)"  # as MLflow's pages address it
        assert version.description == f"{PROMOTED.because}\n\n# plant\n\n{shown}"
        with tracker.tracking.registry.model_files("plant", 1) as folder:
            assert json.loads((folder / "evidence.json").read_text(encoding="utf-8")).items() >= evidence.items()
        run = client.get_run(tracker.run_id)
        assert run.outputs is not None
        (output,) = run.outputs.model_outputs
        files = {file.path for file in client.list_logged_model_artifacts(output.model_id)}
        assert files >= {"MODEL_CARD.md", "evidence.json", "experiment.yaml", "MLmodel"}
        with tracker.tracking.registry.model_files("plant", 1) as folder:
            assert (folder / "experiment.yaml").read_text(encoding="utf-8") == "name: x\n"
            pd.testing.assert_frame_equal(
                serving.Predictor(folder).predict(RAW),
                load_predictor("models:/plant@champion", mlflow_store)(RAW),
                check_exact=True,
            )

    @pytest.mark.parametrize("text", ["{}", "[]", "{", '{"candidate": 1}', '{"candidate": {"params": 1}}', None])
    def test_edited_evidence_is_named_in_one_message(self, mlflow_store: Address, tmp_path: Path, text: str | None) -> None:
        tracking = MlflowTracker.open(sweep_record(), mlflow_store).tracking
        register(tracking, Network(tmp_path / "model").candidate("plant"), PROMOTED)
        (file,) = (tmp_path / "mlruns").rglob("evidence.json")
        file.unlink() if text is None else file.write_text(text, encoding="utf-8")
        with pytest.raises(TrackingError) as caught:
            tracking.registry.champion("plant")
        assert "plant" in str(caught.value) and len(str(caught.value).splitlines()) == 1
        assert open_registry(mlflow_store).history("plant").versions[0].because == PROMOTED.because

    def test_texts_too_long_for_the_registry_are_in_the_files(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        picture = "![](plots/predictions.png)"
        card = picture + "x" * (5000 - len(picture))
        candidate = Network(tmp_path / "model").candidate("plant", files={"MODEL_CARD.md": card})
        register(tracker.tracking, candidate, replace(PROMOTED, evidence={"rows": list(range(4000))}))
        version = client_of(mlflow_store).get_model_version("plant", "1")
        shown = f"![](get-artifact?run_uuid={tracker.run_id}&path=plots/predictions.png)"
        assert version.description == f"{PROMOTED.because}\n\n{shown}"
        assert "branchsweep.evidence" not in version.tags
        with tracker.tracking.registry.model_files("plant", 1) as folder:
            assert len((folder / "MODEL_CARD.md").read_text(encoding="utf-8")) == 5000
            assert json.loads((folder / "evidence.json").read_text(encoding="utf-8"))["rows"][-1] == 3999


@pytest.fixture(scope="module")
def served(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Network]]:
    """A registered model behind `mlflow models serve`, and the network that it is."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}"
    network = Network(folder / "model")
    register(MlflowTracker.open(sweep_record(), Address(uri)).tracking, network.candidate("plant"), PROMOTED)
    port = free_port()
    served_model = ["models", "serve", "-m", "models:/plant@champion", "--env-manager", "local"]
    command = [sys.executable, "-P", "-m", "mlflow", *served_model, "-h", "127.0.0.1", "-p", str(port)]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with running_server(command, folder, environment, f"http://127.0.0.1:{port}/ping"):
        yield f"http://127.0.0.1:{port}/invocations", network


WHOLE_NUMBERS = pd.DataFrame({"AT": [15, 20], "AP": [1010, 1020], "RH": [70, 80]})
"""Raw inputs that happen to be whole numbers."""


class TestServedOverHttp:
    @pytest.mark.parametrize("table", [RAW[INPUTS], WHOLE_NUMBERS], ids=["fractions", "whole numbers"])
    @pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
    def test_every_form_of_json_is_predicted(self, served: tuple[str, Network], form: str, table: pd.DataFrame) -> None:
        url, network = served
        records = json.loads(table.to_json(orient="records"))
        payloads = {
            "dataframe_split": json.loads(table.to_json(orient="split")),
            "dataframe_records": records,
            "instances": records,
            "inputs": table.to_dict("list"),
        }
        response = requests.post(url, json={form: payloads[form]}, timeout=60)
        assert response.status_code == 200, response.text
        predicted = pd.DataFrame(response.json()["predictions"])
        expected = serving.Predictor(network.folder).predict(table)
        assert list(predicted.columns) == ["PE", "V"]
        np.testing.assert_array_equal(predicted.to_numpy(), expected.to_numpy())

    def test_order_and_additional_columns_do_not_change_predictions(self, served: tuple[str, Network]) -> None:
        url, network = served
        response = requests.post(url, json={"dataframe_records": RAW.to_dict("records")}, timeout=60)
        predicted = pd.DataFrame(response.json()["predictions"])
        np.testing.assert_array_equal(predicted.to_numpy(), serving.Predictor(network.folder).predict(RAW).to_numpy())

    def test_a_missing_value_makes_its_row_nan(self, served: tuple[str, Network]) -> None:
        rows = [{"AT": None, "AP": 1010, "RH": 70}, {"AT": 15, "AP": 1010, "RH": 70}]
        response = requests.post(served[0], json={"dataframe_records": rows}, timeout=60)
        assert response.status_code == 200, response.text
        missing, complete = response.json()["predictions"]  # MLflow writes NaN, which is not JSON, but what Python reads
        assert all(math.isnan(value) for value in missing.values())
        assert all(math.isfinite(value) for value in complete.values())

    def test_a_value_that_is_no_number_is_refused(self, served: tuple[str, Network]) -> None:
        rows = [{"AT": "warm", "AP": 1010, "RH": 70}]
        response = requests.post(served[0], json={"dataframe_records": rows}, timeout=60)
        assert response.status_code == 400
        assert re.search(r"ValueError: .*'AT'", response.text)  # in the traceback, which MLflow sends

    def test_the_error_for_a_missing_column_names_it(self, served: tuple[str, Network]) -> None:
        response = requests.post(served[0], json={"dataframe_records": [{"AT": 15, "AP": 1010}]}, timeout=60)
        assert response.status_code == 400
        assert "RH" in response.json()["message"]


def test_a_champion_set_by_hand_has_no_value(mlflow_store: Address, tmp_path: Path) -> None:
    tracker = MlflowTracker.open(sweep_record(), mlflow_store)
    client = client_of(mlflow_store)
    client.create_registered_model("foreign")
    version = client.create_model_version("foreign", (tmp_path / "anything").as_uri(), run_id=tracker.run_id)
    client.set_registered_model_alias("foreign", "champion", version.version)
    champion = tracker.tracking.registry.champion("foreign")
    assert champion is not None
    assert math.isnan(champion.value)
    assert (champion.version, champion.data_digest, champion.sweep, champion.cause) == (1, "", "", None)


class TestPredictor:
    @pytest.fixture
    def network(self, tmp_path: Path) -> Network:
        return Network(tmp_path / "model")

    def test_whole_numbers_are_accepted(self, network: Network) -> None:
        table = pd.DataFrame({"AT": [15, 20], "AP": np.array([1010, 1020], np.int32), "RH": pd.array([70, 80], "Int64")})
        np.testing.assert_allclose(
            serving.Predictor(network.folder).predict(table), network.expected_predictions(table), rtol=1e-6
        )

    def test_a_missing_value_makes_its_row_nan(self, network: Network) -> None:
        predictions = serving.Predictor(network.folder).predict(RAW.assign(AT=[14.96, np.nan, 5.11]))
        assert predictions.isna().all(axis=1).tolist() == [False, True, False]

    def test_a_table_without_rows_has_no_predictions(self, network: Network) -> None:
        predictions = serving.Predictor(network.folder).predict(RAW.iloc[:0])
        assert predictions.shape == (0, 2)
        assert list(predictions.columns) == ["PE", "V"]

    def test_a_large_table_is_predicted_in_batches(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(serving, "PREDICTION_BATCH", 7)
        table = pd.concat([RAW] * 10)
        np.testing.assert_allclose(
            serving.Predictor(network.folder).predict(table), network.expected_predictions(table), rtol=1e-6
        )

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"AT": None}, "['AT']"),
            ({"AT": ["warm", "mild", "cold"]}, "'AT'"),
        ],
    )
    def test_a_table_that_does_not_fit_is_refused(self, network: Network, changed: dict[str, Any], expected: str) -> None:
        table = RAW.assign(**changed) if changed["AT"] else RAW.drop(columns="AT")
        with pytest.raises(ValueError, match=re.escape(expected)):
            serving.Predictor(network.folder).predict(table)

    @pytest.mark.parametrize("input_scaling", ["none", "min_max", "standard", "quantile"])
    def test_the_example_can_be_predicted(self, tmp_path: Path, input_scaling: str) -> None:
        predictor = serving.Predictor(Network(tmp_path / "other", input_scaling=input_scaling).folder)
        assert list(predictor.example.columns) == INPUTS
        assert predictor.predict(predictor.example).notna().all(axis=None)


def test_a_table_that_does_not_fit_is_a_data_error(mlflow_store: Address, tmp_path: Path) -> None:
    register(
        MlflowTracker.open(sweep_record(), mlflow_store).tracking, Network(tmp_path / "model").candidate("plant"), PROMOTED
    )
    predict = load_predictor("models:/plant@champion", mlflow_store)
    with pytest.raises(DataError, match=r"AT, AP, RH\b.*\bAT\b.*'TA'"):
        predict(RAW.rename(columns={"AT": "TA"}))
    with pytest.raises(DataError, match=r"models:/plant@champion.*'AT'"):
        predict(RAW.assign(AT="warm"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow, about such a model
@pytest.mark.parametrize("signature", [None, ModelSignature(Schema([ColSpec(DataType.double)]))])
def test_a_model_whose_input_columns_have_no_names_predicts_no_table(
    mlflow_store: Address, tmp_path: Path, signature: ModelSignature | None
) -> None:
    """Other tools register such models."""
    loader = tmp_path / f"loader_{uuid4().hex}.py"
    loader.write_text(
        "class _load_pyfunc:\n    def __init__(self, path): ...\n    def predict(self, table): ...\n", encoding="utf-8"
    )
    save_model(tmp_path / "model", loader.stem, str(loader), [str(loader)], signature=signature, pip_requirements=["mlflow"])
    client = client_of(MlflowTracker.open(sweep_record(), mlflow_store))
    client.create_registered_model("foreign")
    client.create_model_version("foreign", (tmp_path / "model").as_uri())
    with pytest.raises(TrackingError, match=r"models:/foreign/1 .*input columns"):
        load_predictor("models:/foreign/1", mlflow_store)
