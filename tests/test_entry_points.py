"""Kinds, drivers and trackers that an installed package offers by entry points: found by name, or one clear message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from branchsweep.config import kinds
from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml import schema_lookup
from branchsweep.config.yaml.json_schema import json_schema
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.encoders import registry as encoders
from branchsweep.data.encoders.encoder import Encoder
from branchsweep.errors import BackendError, ConfigError, TrackingError, UserError
from branchsweep.models import serving
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.open import download_model, list_sweeps, open_registry, open_tracking
from branchsweep.workflows.records.sweep_record import new_sweep_record
from contracts.encoder import EncoderContract
from contracts.head import HeadContract
from contracts.results import result_of
from extension_package import documented_files, install, install_documented_package
from processes import run_python
from served_alone import predict_alone
from tiny_sweep import TinySweep, tiny_experiment


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> Generator[None]:
    """Messages are made of the schemas of a process, which have the names that were offered then."""
    yield
    schema_lookup._definitions.cache_clear()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The folder on `sys.path` with the page's package."""
    folder = tmp_path_factory.mktemp("installed")
    install_documented_package(folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "boiler_extras"]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on `sys.path`."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def extended(**search: Any) -> Experiment:
    return tiny_experiment(
        heads={"PE": {"loss": "log_cosh"}, "V": {}},
        search={"driver": "hill_climbing", "trials": 12, "batch": 4, **search},
    )


@pytest.mark.usefixtures("package")
class TestEncoderOfAPackage(EncoderContract):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return encoders.encoder_kind("max_abs")


@pytest.mark.usefixtures("package")
class TestHeadOfAPackage(HeadContract):
    @pytest.fixture
    def head(self) -> Head:
        return head_kind("log_cosh")


@pytest.mark.usefixtures("package")
def test_a_driver_of_a_package_asks_again_what_it_asked_before() -> None:
    experiment = extended()
    first, again = open_driver(experiment), open_driver(experiment)
    asked = []
    for _ in range(3):
        trials = first.ask(4)
        asked += trials
        for trial in trials:
            first.tell(result_of(trial))
            again.tell(result_of(trial))
    resumed = open_driver(experiment)
    for trial in asked[:8]:
        resumed.tell(result_of(trial))
    assert resumed.ask(4) == asked[8:]
    assert experiment.algorithm == "hill_climbing"
    assert all(experiment.space.contains(trial.params) for trial in asked)


@pytest.mark.usefixtures("package")
def test_a_tracker_of_a_package_records_a_sweep_and_nothing_else() -> None:
    sweep = TinySweep(tiny_experiment())
    record, uri = new_sweep_record(sweep.experiment, sweep.dataset, sweep.split), Address("scratch:memory")
    with open_tracking(record, uri, False, False, print) as tracking:
        assert not tracking.tracker.is_resumed
    for read in (list_sweeps, open_registry):
        with pytest.raises(TrackingError, match=r"boiler-extras.*sqlite:///"):
            read(uri)


@pytest.mark.usefixtures("package")
def test_the_json_schema_has_the_names_of_packages() -> None:
    definitions = json_schema("experiment")["$defs"]
    assert "hill_climbing" in definitions["Search"]["properties"]["driver"]["enum"]
    assert "max_abs" in definitions["SearchSpace"]["properties"]["fixed"]["properties"]["input_scaling"]["enum"]
    assert "log_cosh" in kinds.all_names(kinds.HEADS)


def test_no_entry_point_is_looked_up_for_built_in_names() -> None:
    code = """
import importlib.metadata
found = importlib.metadata.entry_points
def watch(**sought):
    assert not sought.get("group", "").startswith("branchsweep"), sought
    return found(**sought)
importlib.metadata.entry_points = watch
from tiny_sweep import tiny_experiment
from branchsweep.search.drivers import open_driver
open_driver(tiny_experiment(table={"source": "a.csv", "inputs": {"a": {"input_scaling": "robust"}, "b": {}}})).ask(1)
"""
    assert run_python(code).returncode == 0


BROKEN = {
    "a module that is not there": ("heads", "nowhere", "absent_module:HEAD", r"ModuleNotFoundError"),
    "no such object": ("heads", "nothing", "broken_package:NOTHING", r"AttributeError"),
    "an object of another type": ("heads", "number", "broken_package:NUMBER", r"an int, which lacks name, task"),
    "a class": ("encoders", "some_class", "broken_package:SomeClass", r"is a class; expected an object"),
    "another name": ("heads", "renamed", "broken_package:MSE", r"the name 'mse'"),
    "no function": ("drivers", "number", "broken_package:NUMBER", r"expected a function that takes an Experiment"),
}
"""By mistake: the group and name of an entry point, its object, and what the message says."""


@pytest.mark.parametrize("mistake", BROKEN)
def test_an_object_that_cannot_be_used_is_one_message_with_its_package_and_key(mistake: str, folder: Path) -> None:
    group, name, target, said = BROKEN[mistake]
    module = "from branchsweep.models.heads.regression import MSE\nNUMBER = 1\nclass SomeClass: pass\n"
    install(folder, "broken-package", {f"branchsweep.{group}": {name: target}}, {"broken_package.py": module})
    by_group: dict[str, dict[str, Any]] = {
        "heads": {"heads": {"PE": {"loss": name}}},
        "encoders": {"space": {"dimensions": {}, "fixed": {"input_scaling": name}}},
        "drivers": {"search": {"driver": name}},
    }
    path = folder / "experiment.yaml"
    path.write_text(written(by_group[group]), encoding="utf-8")
    try:
        with pytest.raises(ConfigError, match=said) as error:
            load_experiment(path)
    finally:
        sys.modules.pop("broken_package", None)
    assert f"'{name}' of the package broken-package (entry point branchsweep.{group}, {target})" in str(error.value)
    assert error.value.mistakes[0].where.startswith(f"{path}:")


def written(changes: dict[str, Any]) -> str:
    """An experiment in YAML, which JSON is."""
    values: dict[str, Any] = {
        "name": "broken",
        "table": "ccpp",
        "heads": {"PE": {}},
        "space": {"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 2}}},
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in {**values, **changes}.items())


def test_a_package_cannot_take_a_built_in_name_nor_that_of_another_package(folder: Path) -> None:
    install(folder, "taking", {"branchsweep.heads": {"mse": "json:dumps", "other": "json:dumps"}})
    with pytest.raises(ValueError, match=r"package taking .* has the name of a head of branchsweep's own"):
        tiny_experiment(heads={"PE": {"loss": "other"}})
    for package in ("one", "two"):
        install(folder / "further", package, {"branchsweep.drivers": {"same": "json:dumps"}})
    sys.path.insert(0, str(folder / "further"))
    try:
        with pytest.raises(ValueError, match=r"package (one|two) .* and .* package (one|two) .* have the same name"):
            tiny_experiment(search={"driver": "same"})
    finally:
        sys.path.remove(str(folder / "further"))


@pytest.mark.usefixtures("package")
def test_an_unknown_name_is_answered_with_the_names_of_packages() -> None:
    with pytest.raises(ValueError, match="did you mean 'hill_climbing'"):
        tiny_experiment(search={"driver": "hill_climber"})


SAMPLER = """
class Sampler:
    is_stateful, has_initial_design, is_exhaustive = False, False, False
    def __init__(self, experiment): self.options = experiment.search.options
    def suggest(self, number, attempt): return eval(str(self.options["suggest"]))
    def mark_pending(self, params): pass
    def observe(self, observations): pass
class Incomplete:
    def __init__(self, experiment): pass
"""


@pytest.mark.parametrize(
    ("driver", "options", "said"),
    [
        ("sampler", {"suggest": "{'trunk.depth': 99}"}, "no point of the search space"),
        ("sampler", {"suggest": "1 / 0"}, "fails in suggest with ZeroDivisionError"),
        ("incomplete", {}, "lacks is_stateful"),
    ],
)
def test_a_driver_that_fails_is_one_message_with_its_package(
    driver: str, options: dict[str, Any], said: str, folder: Path
) -> None:
    points = {"sampler": "failing_driver:Sampler", "incomplete": "failing_driver:Incomplete"}
    install(folder, "failing-driver", {"branchsweep.drivers": points}, {"failing_driver.py": SAMPLER})
    try:
        with pytest.raises(BackendError, match=rf"package failing-driver.*{said}"):
            open_driver(tiny_experiment(search={"driver": driver, "options": options, "trials": 4})).ask(4)
    finally:
        sys.modules.pop("failing_driver", None)


@pytest.mark.usefixtures("package")
def test_options_that_a_driver_refuses_are_a_mistake_in_the_experiment() -> None:
    with pytest.raises(ConfigError, match="got explore 2") as error:
        open_driver(extended(options={"explore": 2}))
    assert error.value.where == "search.options"


def test_a_tracker_that_returns_something_else_is_one_message(folder: Path) -> None:
    install(folder, "other-tracker", {"branchsweep.trackers": {"other": "json:dumps", "none": "other_tracker:open"}})
    (folder / "other_tracker.py").write_text("def open(record, uri, fresh): return None\n", encoding="utf-8")
    sweep = TinySweep(tiny_experiment())
    record = new_sweep_record(sweep.experiment, sweep.dataset, sweep.split)
    for address, said in (("other:x", "cannot open other:x"), ("none:x", "returns an object of NoneType")):
        with (
            pytest.raises(UserError, match=f"package other-tracker .*{said}"),
            open_tracking(record, Address(address), False, False, print),
        ):
            pass
    sys.modules.pop("other_tracker", None)


@pytest.mark.slow
def test_the_documented_package_sweeps_in_worker_processes_and_its_model_is_served_alone(
    package: Path, real_table: Path, tmp_path: Path
) -> None:
    (tmp_path / "experiment.yaml").write_text(documented_files()["experiment.yaml"], encoding="utf-8")
    command = [sys.executable, "-m", "branchsweep", "run", "experiment.yaml", "--data", str(real_table), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}

    def run(*more: str) -> str:
        done = subprocess.run([*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    recorded_elsewhere = run("--tracking-uri", "scratch:memory")
    assert "extended version 1" in recorded_elsewhere and "branchsweep predict" not in recorded_elsewhere
    assert not (tmp_path / "mlflow.db").exists()
    assert "extended version 1" in run("--set", "space.dimensions.input_scaling.choices=[max_abs]")
    (tmp_path / "files").mkdir()
    store = Address(f"sqlite:///{tmp_path / 'mlflow.db'}")
    files = download_model("models:/extended@champion", tmp_path / "files", store)
    shutil.copy(serving.__file__, files / "serving.py")
    rows = pd.read_excel(real_table).head(5)
    predicted = predict_alone(files, rows)
    assert abs(predicted["PE"].to_numpy() - rows["PE"].to_numpy()).max() < 40
