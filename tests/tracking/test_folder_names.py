"""A store in a folder of any name: every address that is built leads to that folder, and nothing is made beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.open import download_model, list_sweeps, load_predictor, open_recorded_sweep
from branchsweep.tracking.registry_protocols import PromotionDecision
from branchsweep.tracking.tracking_uri import database_file, resolve_tracking_uri
from branchsweep.tracking.ui_pages import ui_command
from contracts.results import example_result
from contracts.tracking_records import example_candidate, register, sweep_record
from fixtures.old_store import ARCHIVE, unpack

NAMES = [
    *("My%20Drive", "a?b", "a#b", "100%", "%2e%2e", "%3F", "a%zz", "%%", "ü", "日本", "a b", " lead", "trail "),
    *("a&b=c", "a;b", "a:b", "a@b", "file:x", "sqlite:", "~x", "$HOME", "{x}", "[x]", "*", "a\\b", "a'b", 'a"b', "a\nb"),
]

folder_names = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.sampled_from("ab%?#&=;:@+ ~é/20\\'\"[]{}*\n".replace("/", "")), min_size=1, max_size=12),
).filter(lambda name: name.strip(".") != "")


def names_in(folder: Path) -> set[str]:
    """The names of what is in a folder, without those of a database that is open."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def use_store(folder: Path, uri: Address | None) -> None:
    """Record a sweep, register a model, and read both again."""
    tracker = MlflowTracker.open(sweep_record(), uri)
    tracker.record([example_result(0)])
    tracker.finish({}, "x", {"report.html": "<p>"})
    tracker.lock.release()
    (listed,) = list_sweeps(uri)
    assert listed.run_id == tracker.run_id
    assert open_recorded_sweep(uri, "contract").yaml == sweep_record().yaml
    assert open_existing(uri, "contract").sweep.yaml == sweep_record().yaml
    assert names_in(folder) == {"mlflow.db", "mlruns"}
    assert len(list((folder / "mlruns").rglob("report.html"))) == 1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=folder_names)
def test_a_store_is_made_in_the_working_directory_of_any_name(
    name: str, mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    parent = tmp_path / uuid4().hex
    folder = parent / name
    folder.mkdir(parents=True)
    shutil.copy(mlflow_template, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    assert database_file(resolve_tracking_uri(None)) == folder / "mlflow.db"
    use_store(folder, None)
    assert [path.name for path in parent.iterdir()] == [name]
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["My%20Drive", "a?b", "a#b"])
def test_a_new_store_and_its_models_are_in_their_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "parent" / name
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    tracker = MlflowTracker.open(sweep_record())
    register(tracker.tracking, example_candidate(tmp_path / "model", "plant"), PromotionDecision(True, "the first version"))
    (tmp_path / "files").mkdir()
    files = download_model("models:/plant@champion", tmp_path / "files")
    assert (files / "model.keras").read_bytes() == b"a network"
    with tracker.tracking.registry.model_files("plant", 1) as copied:
        assert (copied / "serving.json").is_file()
    assert names_in(folder) == {"mlflow.db", "mlflow.db.lock", "mlruns"}
    assert [path.name for path in folder.parent.iterdir()] == [name]
    command, _ = ui_command(None, "127.0.0.1", 5000)
    assert command[command.index("--artifacts-destination") + 1] == (folder / "mlruns").as_uri()


def test_a_resolved_uri_resolves_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        resolved = resolve_tracking_uri(Address("sqlite:///mlflow.db"))
        assert resolve_tracking_uri(resolved) == resolved


def test_the_error_for_a_raw_path_in_a_uri_names_the_character(tmp_path: Path) -> None:
    (tmp_path / "My%20Drive").mkdir()
    with pytest.raises(TrackingError, match="%25"):
        resolve_tracking_uri(Address(f"sqlite:///{tmp_path}/My%20Drive/mlflow.db"))
    with pytest.raises(TrackingError, match="%3F"):
        resolve_tracking_uri(Address(f"sqlite:///{tmp_path}/a?b/mlflow.db"))
    (tmp_path / "My Drive").mkdir()
    assert (
        database_file(resolve_tracking_uri(Address(f"sqlite:///{tmp_path}/My%20Drive/x.db"))) == tmp_path / "My Drive" / "x.db"
    )


@pytest.mark.parametrize("path", ["a%00b.db", "a\udc80.db", "~nobody-of-this-name/x.db"])
def test_a_path_that_no_database_can_have_is_an_error(path: str) -> None:
    with pytest.raises(TrackingError):
        resolve_tracking_uri(Address(f"sqlite:///{path}"))


def test_a_deleted_working_directory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(TrackingError, match="in full"):
        resolve_tracking_uri(None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["My%20Drive", "%%41 b"])
def test_a_model_in_a_folder_of_any_name_predicts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(unpack(ARCHIVE, tmp_path / name).parent)
    predictor = load_predictor("models:/finished@champion")
    predicted = predictor(pd.read_csv("table.csv"))
    assert list(predicted) == ["power", "steam"]
    monkeypatch.chdir(tmp_path)
