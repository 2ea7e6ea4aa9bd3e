"""The ledger that people look at: sweeps and trials as runs in MLflow, champions in its registry.

An experiment in MLflow has the name of ours. In it stands one **parent run** per sweep (what was asked, of which data; the best
so far as metrics that grow; in the end the summary), and below it one **child run** per trial, written in three calls:
created with all its tags, filled in one batch, ended. Only a run that was ended counts; what a killed process left half
written is deleted when the sweep goes on.

Everything goes through `MlflowClient` with explicit addresses and run ids: no global address, no stack of active runs. MLflow
is kept off standard output, where `--json` speaks, and off the network beyond the store.
"""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from branchsweep import serving
from branchsweep.errors import DataError, LedgerError, did_you_mean
from branchsweep.experiment import MEAN, Objective
from branchsweep.ledgers import address, spelling
from branchsweep.ledgers.history import History
from branchsweep.ledgers.spelling import Point, tag
from branchsweep.roles import Candidate, Champion, Conclusion, SweepRecord, Verdict
from branchsweep.trial import Result, Status

os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # read at each call; standard output is ours
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file of a few kilobytes
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at import; whoever sets it to false gets it

import mlflow.artifacts
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel, load_model
from mlflow.pyfunc import save_model as save_pyfunc
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

if TYPE_CHECKING:
    from branchsweep.serving import Table

if "MLFLOW_LOGGING_LEVEL" not in os.environ:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # without its diary of database migrations
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; we tell the reason

ALIAS = "champion"
"""The alias that the title is in MLflow's registry."""

KNOCK_SECONDS = 10
"""How long a store may take to answer for the first time. Later MLflow's own patience holds, and a server may be restarted."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where databases listen if their address does not say."""

DEPLOYED = ("mlflow", "keras", "tensorflow", "numpy", "pandas", "scipy")
"""What a deployed model needs, at the versions it was made with. Named, so that MLflow does not spend seconds on guessing."""

PAGE = 1000
"""Runs that are read at once."""


class MlflowLedger:
    """Plays `roles.Ledger` over an MLflow store. Made by `open` (to write) and `open_existing` (to read).

    Args:
        client: Of the store.
        parent: The sweep's run.
        sweep: What was written down when the sweep began.
        is_resumed: Whether the sweep stood in the store before.
    """

    def __init__(self, client: MlflowClient, parent: Run, sweep: SweepRecord, is_resumed: bool) -> None:
        self._client = client
        self._parent = parent
        self._sweep = sweep
        self._is_resumed = is_resumed
        self._is_open = not is_resumed
        self._history = None if is_resumed else History(sweep.objective)
        self._conclusion = _conclusion(parent) if is_resumed else None

    @classmethod
    def open(cls, record: SweepRecord, tracking_uri: str | None = None, fresh: bool = False) -> MlflowLedger:
        """The sweep of this key goes on if the store has it, whether it was killed or finished; else it begins.

        Args:
            record: What is written down about the sweep.
            tracking_uri: Where; see `address.resolve`. A sqlite file that does not exist is made, in a few seconds.
            fresh: Begin a new sweep in any case.

        Raises:
            LedgerError: The address is none, nobody answers there, or what answers is not a store that can be used.
        """
        uri = address.resolve(tracking_uri)
        client = _connect(uri, create=True)
        with _translated(uri, "opening the sweep"):
            experiment_id = _experiment(client, record.name, address.artifacts(uri, record.name))
            parent = None if fresh else _newest(client, experiment_id, record.key)
            if parent is not None:
                _forget_half_written(client, experiment_id, parent.info.run_id)
                return cls(client, parent, record, is_resumed=True)
            parent = client.create_run(experiment_id, tags=_parent_tags(record), run_name=record.name)
            client.log_text(parent.info.run_id, record.yaml, "experiment.yaml")
            return cls(client, parent, record, is_resumed=False)

    @property
    def run_id(self) -> str:
        """The parent run."""
        return str(self._parent.info.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> str:
        """The store's address in full."""
        return str(self._client.tracking_uri)

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep began."""
        return self._sweep

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._is_resumed

    @property
    def conclusion(self) -> Conclusion | None:
        """The parent run's metrics and our tags on it; None for a sweep that has not come to its end."""
        return self._conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Write each trial that does not stand there yet as a child run, and then the progress on the parent, once.

        Raises:
            LedgerError: The store did not take it, or holds a trial of this number with other params.
        """
        history = self._read() if self._history is None else self._history
        fresh = history.unrecorded(results)
        if not fresh:
            return
        with _translated(self.tracking_uri, f"recording trial {fresh[0].trial.number}"):
            self._reopen()
            for result in fresh:
                self._write(result)
                history.add(result)
            self._log(self.run_id, [Point(name, value, len(history)) for name, value in history.figures.items()])

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers. The learning curves stay in the store.

        Raises:
            LedgerError: The store did not answer, or holds something unexpected.
        """
        with _translated(self.tracking_uri, "reading the sweep"):
            heads = list(self._sweep.heads)
            results: dict[int, Result] = {}
            for run in _search(self._client, [self.experiment_id], f"{_below(self.run_id)} AND status != 'RUNNING'"):
                result = spelling.result(run.data.tags, run.data.metrics, heads)
                results.setdefault(result.trial.number, result)
        self._history = History(self._sweep.objective, results.values())
        return [results[number] for number in sorted(results)]

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Write the sweep's last figures, tags and text artifacts, and close it.

        A tag `mlflow.note.content` is the Markdown that the run's page shows.

        Raises:
            LedgerError: The store did not take it.
        """
        history = self._read() if self._history is None else self._history
        with _translated(self.tracking_uri, "concluding the sweep"):
            self._reopen()
            _forget_half_written(self._client, self.experiment_id, self.run_id)  # a request that was sent twice leaves one
            for name, text in files.items():
                self._client.log_text(self.run_id, text, name)
            spelt = _spelt(tags)
            stale = {name: "" for name in self._parent.data.tags if name.partition(":")[0] in spelt and name not in spelt}
            points = [Point(name, value, len(history)) for name, value in history.figures.items()]
            points += [Point(name, value) for name, value in metrics.items()]
            self._log(self.run_id, points, tags=spelt | stale)
            self._client.set_terminated(self.run_id, "FINISHED")
            self._parent = self._client.get_run(self.run_id)
            self._is_open, self._conclusion = False, _conclusion(self._parent)

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None. Of a version that others gave it to, value and digests are unknown."""
        with _translated(self.tracking_uri, f"asking for the champion of '{model}'"):
            try:
                return _champion(self._client.get_model_version_by_alias(model, ALIAS))
            except MlflowException as error:
                if _is_absent(error):
                    return None
                raise

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Register the candidate as a new version, and move the alias to it, last of all, if the verdict says so.

        Raises:
            LedgerError: The store did not take it.
        """
        with _translated(self.tracking_uri, f"registering '{candidate.model}'"):
            model_id, location = self._log_model(candidate)
            version_tags = _version_tags(candidate, verdict, self.run_id)
            self._log(self.run_id, [Point(name, value) for name, value in candidate.test.items()], model_id=model_id)
            registered = self._register(candidate.model, location, model_id, version_tags, verdict.because)
            if verdict.crown:
                self._client.set_registered_model_alias(candidate.model, ALIAS, str(registered.version))
            return _champion(registered)

    def _read(self) -> History:
        self.recall()
        assert self._history is not None
        return self._history

    def _reopen(self) -> None:
        """A sweep that goes on is running again, and was last run as it is now."""
        if self._is_open:
            return
        self._client.update_run(self.run_id, status="RUNNING")
        self._log(self.run_id, [], tags=_parent_tags(self._sweep))
        self._client.log_text(self.run_id, self._sweep.yaml, "experiment.yaml")
        self._is_open, self._conclusion = True, None

    def _write(self, result: Result) -> None:
        began = _now()
        tags = spelling.tags(result, self.run_id)
        run = self._client.create_run(self.experiment_id, began, tags, spelling.run_name(result))
        self._log(run.info.run_id, spelling.points(result.score), params=spelling.params(result.trial))
        ended = began + round(1000 * result.score.seconds)  # so that MLflow's "duration" is the trial's
        failed = result.score.status is Status.FAILED
        self._client.set_terminated(run.info.run_id, "FAILED" if failed else "FINISHED", ended)

    def _log(
        self,
        run_id: str,
        points: Sequence[Point],
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        model_id: str | None = None,
    ) -> None:
        now = _now()
        self._client.log_batch(
            run_id,
            [Metric(name, value, now, step, model_id=model_id) for name, value, step in points if math.isfinite(value)],
            [Param(name, value) for name, value in (params or {}).items()],
            [RunTag(name, value) for name, value in (tags or {}).items()],
        )

    def _log_model(self, candidate: Candidate) -> tuple[str, str]:
        """The candidate as a logged model of this sweep: its id, and where its files lie.

        These are the steps of `mlflow.pyfunc.log_model`, which would take them at the global address.
        """
        params = spelling.params(candidate.result.trial)
        logged = self._client.create_logged_model(
            self.experiment_id, candidate.model, self.run_id, params=params, model_type="branched network"
        )
        description = Model(
            artifact_path=logged.artifact_location, run_id=self.run_id, model_uuid=logged.model_id, model_id=logged.model_id
        )
        with tempfile.TemporaryDirectory() as folder:
            save_model(candidate.folder, Path(folder) / "model", description)
            self._client.log_model_artifacts(logged.model_id, str(Path(folder) / "model"))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return logged.model_id, logged.artifact_location

    def _register(self, model: str, location: str, model_id: str, tags: Mapping[str, str], because: str) -> ModelVersion:
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        registered = self._client.create_model_version(
            model, location, self.run_id, dict(tags), description=because, model_id=model_id
        )
        link = [{"name": model, "version": str(registered.version)}]  # what the logged model's page shows
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})
        return registered


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """One sweep in a list of sweeps.

    Args:
        run_id: The parent run.
        experiment_id: The experiment in MLflow.
        name: The experiment's name.
        started: When it was first begun.
        status: `RUNNING` (also if it was killed), `FINISHED`, ….
        trials: How many trials are `complete`, `pruned` and `failed`.
        best: The best R² so far, by head, and `mean`.
        data: Where its table came from.
    """

    run_id: str
    experiment_id: str
    name: str
    started: datetime
    status: str
    trials: Mapping[str, int]
    best: Mapping[str, float]
    data: str


def list_sweeps(tracking_uri: str | None = None) -> list[SweepSummary]:
    """All sweeps of a store, the newest first.

    Raises:
        LedgerError: There is no store at the address.
    """
    uri = address.resolve(tracking_uri)
    client = _connect(uri, create=False)
    with _translated(uri, "listing the sweeps"):
        return [_summary(run) for run in _sweeps(client)]


def open_existing(tracking_uri: str | None, sweep: str = "") -> MlflowLedger:
    """A sweep that stands in the store, to read from it.

    Args:
        tracking_uri: The store; see `address.resolve`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        LedgerError: There is no such sweep, or more than one.
    """
    uri = address.resolve(tracking_uri)
    client = _connect(uri, create=False)
    with _translated(uri, "looking for the sweep"):
        parents = _sweeps(client)
        parent = _chosen(parents, sweep, uri)
        return MlflowLedger(client, parent, _sweep_record(client, parent), is_resumed=True)


def make_database(file: Path) -> None:
    """Make an empty MLflow database, all at once: it is made elsewhere and moved, so that nobody ever finds half of one.

    Its journal is a write-ahead log: a browser that reads does not hold up the sweep, and recording takes a quarter less.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  # costs a second, once in a store's life

    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{file.name}.new-", dir=file.parent) as folder:
        draft = Path(folder) / file.name
        connection = sqlite3.connect(draft)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        with _translated(str(file), "creating the tracking store"):
            root = (file.parent / "mlruns").as_uri()
            SqlAlchemyStore(f"sqlite:///{draft}", root).engine.dispose()  # type: ignore[no-untyped-call]  # MLflow's
        try:
            file.hardlink_to(draft)  # unlike a rename, it fails if another process was faster
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            draft.rename(file)


def save_model(folder: Path, target: Path, description: Model | None = None) -> None:
    """Save an exported network as a pyfunc model that needs nothing of ours where it is loaded.

    `serving.py` goes with it under a name made of its content: models that were saved with different versions of it can then
    be loaded side by side. Loading runs this file and MLflow's, nothing is unpickled, and Keras reads the network in safe mode.

    Args:
        folder: Holds `model.keras` and `serving.json`.
        target: Made; the model's folder.
        description: What MLflow is to write into `MLmodel` in addition.
    """
    code = Path(serving.__file__)
    loader = f"branchsweep_serving_{sha256(code.read_bytes()).hexdigest()[:12]}"
    predictor = serving.Predictor(folder)
    with tempfile.TemporaryDirectory() as staging:
        network = Path(staging) / "network"
        network.mkdir()
        for name in (serving.MODEL, serving.MANIFEST):
            shutil.copy(folder / name, network)
        shutil.copy(code, Path(staging) / f"{loader}.py")
        save_pyfunc(
            target,
            loader_module=loader,
            data_path=str(network),
            code_paths=[str(Path(staging) / f"{loader}.py")],
            mlflow_model=description or Model(),
            signature=signature(predictor),
            input_example=predictor.example,
            pip_requirements=_requirements(),
            metadata={"units": predictor.units},
        )


def signature(predictor: serving.Predictor) -> ModelSignature:
    """Named inputs of any numeric type, named outputs of type double.

    With inputs of type double MLflow refuses columns of whole numbers, such as `pd.DataFrame({"AT": [15], "AP": [1012]})`; what
    is no number is refused by the model. The price: `mlflow models serve` takes every form of JSON, but not CSV.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow's
    return ModelSignature(
        inputs=Schema([ColSpec(anything, column) for column in predictor.inputs]),
        outputs=Schema([ColSpec(DataType.double, head) for head in predictor.units]),
    )


class RegisteredModel:
    """A model of the registry as a function from tables to tables. Made by `load_predictor`.

    Args:
        uri: What it was asked for by.
        model: As MLflow loaded it.
    """

    def __init__(self, uri: str, model: PyFuncModel) -> None:
        self._uri = uri
        self._model = model

    @property
    def inputs(self) -> list[str]:
        """The columns it reads."""
        signature = self._model.metadata.signature
        return list(signature.inputs.input_names()) if signature and signature.inputs else []

    def __call__(self, table: Table) -> Table:
        """One column per head in natural units, with the index of `table`, which may have other columns besides.

        Raises:
            DataError: The table lacks a column, or holds something that is no number.
        """
        missing = [column for column in self.inputs if column not in table.columns]
        if missing:
            hint = did_you_mean(missing[0], [str(column) for column in table.columns if column not in self.inputs])
            raise DataError(
                f"{self._uri} needs the columns {', '.join(self.inputs)}, but the table has no {', '.join(missing)}{hint}"
            )
        try:
            return cast("Table", self._model.predict(table[self.inputs]))
        except (MlflowException, ValueError) as error:
            raise DataError(f"{self._uri} cannot predict this table: {_line(error)}") from error


def load_predictor(model_uri: str, tracking_uri: str | None = None) -> RegisteredModel:
    """The registered model as a function from tables to tables.

    Args:
        model_uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        tracking_uri: The store; see `address.resolve`.

    Raises:
        LedgerError: There is no such model, alias or version.
    """
    uri = address.resolve(tracking_uri)
    client = _connect(uri, create=False)
    with _translated(uri, f"loading {model_uri}"):
        location = _model_location(client, model_uri, uri)
        folder = mlflow.artifacts.download_artifacts(artifact_uri=location, tracking_uri=uri, registry_uri=uri)
        return RegisteredModel(model_uri, load_model(folder))


def _connect(uri: str, create: bool) -> MlflowClient:
    """The client of a store that is there and answers."""
    file = address.database(uri)
    if file is not None:
        _check_file(file, create)
    elif not address.is_server(uri):
        _knock_at_database(uri)
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(KNOCK_SECONDS)}
    with _translated(uri, "connecting"), _environment(patience):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _check_file(file: Path, create: bool) -> None:
    """Raises LedgerError unless the file is a database; makes it if it is not there."""
    try:
        if not file.exists():
            if not create:
                raise LedgerError(
                    f"there is no tracking store at {file}: run a sweep first, or name another store (--tracking-uri)"
                )
            make_database(file)
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA schema_version")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"{file} cannot be used as a tracking store ({error}): name another file (--tracking-uri)") from error


def _knock_at_database(uri: str) -> None:
    """Raises LedgerError unless a database answers: MLflow itself would try for minutes."""
    try:
        url = sqlalchemy.make_url(uri)
        port = url.port or PORTS.get(url.get_backend_name())
        if url.host and port:
            socket.create_connection((url.host, port), timeout=KNOCK_SECONDS).close()
        sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect().close()
    except ModuleNotFoundError as error:
        raise LedgerError(f"{address.shown(uri)} needs a driver that is not installed: pip install {error.name}") from error
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise LedgerError(f"no tracking store answers at {address.shown(uri)} ({_reason(error)}): is it running?") from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables, for as long as it takes."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _translated(uri: str, doing: str) -> Iterator[None]:
    """Turns MLflow's exceptions into LedgerErrors that say what was done where, and what to do about it."""
    try:
        yield
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        where, reason = address.shown(uri), _reason(error)
        if "out-of-date database schema" in reason:
            advice = f"back it up, then run: mlflow db upgrade {where}"
        elif address.is_server(uri):
            advice = "is an MLflow server running there, and may you use it?"
        else:
            advice = "what was recorded is safe; run the same command again to go on"
        raise LedgerError(f"{doing} failed at {where}: {reason} ({advice})") from error


def _reason(error: BaseException) -> str:
    """The first line of an exception's innermost cause: what the network or the database said, not who passed it on."""
    is_of_network = "failed with exception" in str(error)  # where MLflow does not name the cause as one
    while below := error.__cause__ or (error.__context__ if is_of_network else None):
        error = below
    return _line(error)


def _line(error: BaseException) -> str:
    """The first line of an exception's message, not too long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else lines[0][:297] + "…"


def _is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that there is no such model, version or alias (for which it has a code of its own)."""
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in str(error) and "not found" in str(error))


def _experiment(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of the experiment of this name, made if it is not there."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            # of two views that MLflow has of an experiment, the one for models
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process may have been faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise LedgerError(
            f"MLflow's experiment '{name}' was deleted: restore it (mlflow experiments restore -x {experiment.experiment_id}), "
            "or give yours another name"
        )
    return str(experiment.experiment_id)


def _newest(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The parent run of the newest sweep of this key."""
    runs = client.search_runs(
        [experiment_id], f"{_has('role', 'sweep')} AND {_has('key', key)}", max_results=1, order_by=["start_time DESC"]
    )
    return runs[0] if runs else None


def _forget_half_written(client: MlflowClient, experiment_id: str, parent: str) -> None:
    """Delete runs of trials that were not written to their end: killed in the middle, such a trial is trained again."""
    for run in list(_search(client, [experiment_id], f"{_below(parent)} AND status = 'RUNNING'")):
        client.delete_run(run.info.run_id)


def _sweeps(client: MlflowClient) -> list[Run]:
    experiments: list[str] = []
    token: str | None = None
    while True:
        page = client.search_experiments(max_results=PAGE, page_token=token)
        experiments += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return list(_search(client, experiments, _has("role", "sweep"), "start_time DESC"))


def _search(client: MlflowClient, experiments: list[str], query: str, order: str = "start_time ASC") -> Iterator[Run]:
    token: str | None = None
    while True:
        with _collector_paused():
            page = client.search_runs(experiments, query, max_results=PAGE, order_by=[order], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for cyclic garbage while runs are read: among so many objects, all alive, it takes two thirds of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _has(name: str, value: str) -> str:
    return f"tags.`{tag(name)}` = '{value}'"


def _below(parent: str) -> str:
    return _has("sweep", parent)


def _parent_tags(record: SweepRecord) -> dict[str, str]:
    commit = record.tags.get("git_commit")
    own = {
        "role": "sweep",
        "key": record.key,
        "question": record.question,
        "heads": json.dumps(dict(record.heads)),
        "objective": record.objective.model_dump_json(exclude_defaults=True),
    }
    mlflows = {
        "mlflow.source.name": "branchsweep",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **({"mlflow.note.content": record.question} if record.question else {}),
    }
    return mlflows | _spelt({**record.tags, **own})


def _spelt(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: piece for key, value in tags.items() for name, piece in spelling.split(tag(key), value).items()}


def _conclusion(parent: Run) -> Conclusion | None:
    if parent.info.status != "FINISHED":
        return None
    return Conclusion(metrics=dict(parent.data.metrics), tags=spelling.joined(parent.data.tags))


def _summary(parent: Run) -> SweepSummary:
    metrics = parent.data.metrics
    return SweepSummary(
        run_id=parent.info.run_id,
        experiment_id=parent.info.experiment_id,
        name=str(parent.info.run_name),
        started=datetime.fromtimestamp(parent.info.start_time / 1000, UTC),
        status=parent.info.status,
        trials={status.lower(): int(metrics.get(f"trials/{status.lower()}", 0)) for status in Status},
        best={name.partition("/")[2]: value for name, value in metrics.items() if name.startswith("best_r2/")},
        data=parent.data.tags.get(tag("data_source"), ""),
    )


def _chosen(parents: Sequence[Run], sweep: str, uri: str) -> Run:
    """The parent run that `sweep` names, of those that there are, the newest first."""
    if not parents:
        raise LedgerError(f"there is no sweep in {address.shown(uri)}: run one first, or name another store (--tracking-uri)")
    by_name = [parent for parent in parents if sweep in ("", parent.info.run_name)]
    if by_name:
        return by_name[0]
    by_id = [parent for parent in parents if parent.info.run_id.startswith(sweep)]
    if len(by_id) == 1:
        return by_id[0]
    known = ", ".join(f"{parent.info.run_name} ({parent.info.run_id[:8]})" for parent in (by_id or parents)[:10])
    if by_id:
        raise LedgerError(f"got sweep '{sweep}', which begins the ids of several: {known}; write one more letter")
    hint = did_you_mean(sweep, [str(parent.info.run_name) for parent in parents])
    raise LedgerError(f"got sweep '{sweep}', expected a name or a run id; there are {known}{hint}")


def _sweep_record(client: MlflowClient, parent: Run) -> SweepRecord:
    """What was written down when the sweep began, read back."""
    tags = spelling.joined(parent.data.tags)
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(parent.info.run_id, "experiment.yaml", folder)
        yaml = Path(path).read_text(encoding="utf-8")
    own = ("role", "key", "question", "heads", "objective")
    return SweepRecord(
        name=str(parent.info.run_name),
        key=tags["key"],
        question=tags.get("question", ""),
        yaml=yaml,
        heads=json.loads(tags["heads"]),
        objective=Objective.model_validate_json(tags.get("objective", "{}")),
        tags={name: value for name, value in tags.items() if name not in own},
    )


def _version_tags(candidate: Candidate, verdict: Verdict, sweep: str) -> dict[str, str]:
    words = {
        "sweep": sweep,
        "trial": str(candidate.result.trial.number),
        "value": repr(candidate.value),
        "rule": candidate.rule,
        "data_digest": candidate.data_digest,
        "split_digest": candidate.split_digest,
        "because": verdict.because,
        "crowned": str(verdict.crown).lower(),
        **{name: repr(value) for name, value in candidate.test.items()},
    }
    return {tag(name): value for name, value in words.items()}


def _champion(registered: ModelVersion) -> Champion:
    tags = spelling.joined(registered.tags)
    return Champion(
        model=registered.name,
        version=int(registered.version),
        value=float(tags.get("value", "nan")),
        rule=tags.get("rule", MEAN),
        data_digest=tags.get("data_digest", ""),
        split_digest=tags.get("split_digest", ""),
        sweep=tags.get("sweep", ""),
        trial=int(tags.get("trial", "-1")),
        because=tags.get("because", ""),
    )


def _model_location(client: MlflowClient, model_uri: str, uri: str) -> str:
    """Where the files of the named version lie."""
    name, separator, which = model_uri.removeprefix("models:/").replace("@", "/@").partition("/")
    if not model_uri.startswith("models:/") or not separator or not which:
        raise LedgerError(f"got model '{model_uri}', expected models:/NAME@{ALIAS} or models:/NAME/VERSION")
    models = {model.name: model for model in client.search_registered_models(max_results=PAGE)}
    if name not in models:
        known = f"there are {', '.join(models)}" if models else "nothing is registered"
        raise LedgerError(f"there is no model '{name}' in {address.shown(uri)}; {known}{did_you_mean(name, models)}")
    aliases = {alias: str(number) for alias, number in models[name].aliases.items()}
    wanted = aliases.get(which[1:], "") if which.startswith("@") else which
    versions = {str(found.version) for found in client.search_model_versions(f"name = '{name}'")}
    if wanted not in versions:
        known = ", ".join([*(f"@{alias}" for alias in aliases), *sorted(versions, key=int)])
        raise LedgerError(f"there is no {model_uri}; of '{name}' there are {known}")
    return str(client.get_model_version_download_uri(name, wanted))


def _requirements() -> list[str]:
    return [f"{package}=={number}" for package in DEPLOYED if (number := _installed(package))]


def _installed(package: str) -> str:
    """The installed version; empty for a package that goes by another name here (tensorflow-cpu)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _now() -> int:
    return time.time_ns() // 1_000_000
