"""The registry: models with their versions in MLflow, who reigns among them, and how they are read back.

Who reigns is an alias, `champion`, and moving it is the last thing of a crowning that a reader could miss. Beside it
`challenger` says who came last and was not crowned or was rolled back, and `previous` whom a rollback brings back; who reigned
before is noted on the model (`branchsweep.reigned`, see `succession`).

MLflow cannot move an alias on condition that it stands where one thinks. So the title is looked at once more right before, by
one process at a time where the store is a file, and once more right after.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel, load_model
from mlflow.pyfunc import save_model as save_pyfunc
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType

from branchsweep import serving
from branchsweep.errors import DataError, LedgerError, did_you_mean
from branchsweep.experiment import MEAN
from branchsweep.ledgers import address, spelling, succession
from branchsweep.ledgers.spelling import tag
from branchsweep.ledgers.store import PAGE, alone, connect, is_absent, line, now, translated
from branchsweep.ledgers.succession import CHALLENGER, CHAMPION, PREVIOUS, Chronicle, Registered, Reign, Rollback
from branchsweep.roles import Candidate, Champion, Verdict

if TYPE_CHECKING:
    from branchsweep.serving import Table

DEPLOYED = ("mlflow", "keras", "tensorflow", "numpy", "pandas", "scipy")
"""What a deployed model needs, at the versions it was made with. Named, so that MLflow does not spend seconds on guessing."""

CARD = "MODEL_CARD.md"
"""The candidate's file that is its version's description too."""

LONGEST_DESCRIPTION = 5000
"""Characters of a description, and of a registered model's tag, in MLflow's database."""

NETWORK = "network"
"""The folder of the exported files within the logged model's `data`."""


class Registry:
    """The registry of one store. Made by `open_registry`.

    Args:
        client: Of the store.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._uri = str(client.tracking_uri)

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None. Of a version that others gave it to, value and digests are unknown."""
        with translated(self._uri, f"asking for the champion of '{model}'"):
            try:
                return _champion(self._client.get_model_version_by_alias(model, CHAMPION))
            except MlflowException as error:
                if self._is_unknown(model, error):
                    return None
                raise

    def crown(self, candidate: Candidate, verdict: Verdict, sweep: Run, experiment: str) -> Champion:
        """Register the candidate as a new version, and give it the title if the verdict says so.

        Args:
            candidate: The model. Its files lie beside MLflow's in the logged model, its card is the description too.
            verdict: What was decided.
            sweep: The run that the model is of.
            experiment: The sweep's experiment as YAML.

        Raises:
            LedgerError: The store did not take it, or the title is another one's by now than the one that the verdict was
                decided against.
        """
        with translated(self._uri, f"registering '{candidate.model}'"):
            texts = succession.kept_files(candidate, verdict, experiment)
            model_id, location = self._log_model(candidate, sweep, texts)
            metrics = [
                Metric(name, value, now(), 0, model_id=model_id)
                for name, value in candidate.test.items()
                if math.isfinite(value)
            ]
            self._client.log_batch(sweep.info.run_id, metrics)
            number = self._register(candidate, verdict, sweep.info.run_id, location, model_id)
            if verdict.crown:
                self._enthrone(candidate.model, number, verdict)
            else:
                self._client.set_registered_model_alias(candidate.model, CHALLENGER, str(number))
            return _champion(self._client.get_model_version(candidate.model, str(number)))

    def rollback(self, model: str) -> Rollback:
        """Give the title back to whom the champion took it from; the champion becomes the challenger.

        One more rollback goes one further back.

        Raises:
            LedgerError: There is no such model, it has no champion, or nobody reigned before.
        """
        with translated(self._uri, f"rolling '{model}' back"), alone(self._uri):
            registered = self._named(model)
            aliases = {alias: int(number) for alias, number in registered.aliases.items()}
            versions = self._versions(model)
            reigning, target = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if reigning is None:
                raise LedgerError(f"nobody holds the title of '{model}', so there is nothing to roll back")
            reigns = _reigns(registered, versions)
            if target in {None, reigning}:  # of a store from before there was this alias, or killed in the middle of a crowning
                target = succession.predecessor(reigns, {int(one.version) for one in versions})
            if target is None:
                raise LedgerError(f"nobody reigned before version {reigning} of '{model}', so there is nothing to go back to")
            self._client.set_registered_model_alias(model, CHALLENGER, str(reigning))
            self._client.set_registered_model_alias(model, CHAMPION, str(target))
            reigns = succession.followed(reigns, target, succession.moment(), f"rolled back from version {reigning}")
            self._note(model, reigns)
            before = succession.predecessor(reigns, {int(one.version) for one in versions})
            if before is not None:
                self._client.set_registered_model_alias(model, PREVIOUS, str(before))
            elif PREVIOUS in aliases:
                self._client.delete_registered_model_alias(model, PREVIOUS)
            return Rollback(model, restored=target, deposed=reigning, previous=before)

    def chronicle(self, model: str) -> Chronicle:
        """The versions of a model, and who reigned when and why.

        Raises:
            LedgerError: There is no such model.
        """
        with translated(self._uri, f"reading the history of '{model}'"):
            registered, versions = self._named(model), self._versions(model)
            titles: dict[int, list[str]] = {}
            for alias, number in sorted(registered.aliases.items()):
                titles.setdefault(int(number), []).append(alias)
            told = [_told(one, titles.get(int(one.version), [])) for one in reversed(versions)]
            return Chronicle(model, told, _reigns(registered, versions))

    @contextmanager
    def files(self, model: str, number: int) -> Iterator[Path]:
        """A local folder with what was registered as this version, for as long as it is open.

        Raises:
            LedgerError: There is no such model or version.
        """
        with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
            with translated(self._uri, f"fetching version {number} of '{model}'"):
                location = _model_location(self._client, f"models:/{model}/{number}", self._uri)
                fetched = Path(
                    mlflow.artifacts.download_artifacts(
                        artifact_uri=location, dst_path=folder, tracking_uri=self._uri, registry_uri=self._uri
                    )
                )
                for file in list((fetched / "data" / NETWORK).iterdir()):
                    file.rename(fetched / file.name)
            yield fetched

    def _log_model(self, candidate: Candidate, sweep: Run, texts: Mapping[str, str]) -> tuple[str, str]:
        """The candidate as a logged model of this sweep: its id, and where its files lie.

        These are the steps of `mlflow.pyfunc.log_model`, which would take them at the global address.
        """
        run_id = sweep.info.run_id
        logged = self._client.create_logged_model(
            sweep.info.experiment_id,
            candidate.model,
            run_id,
            params=spelling.params(candidate.result.trial),
            model_type="branched network",
        )
        description = Model(
            artifact_path=logged.artifact_location, run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id
        )
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model"
            save_model(candidate.folder, target, description)
            for name, text in texts.items():
                assert not (target / name).exists(), f"{name} is MLflow's"
                (target / name).write_text(text, encoding="utf-8")
            self._client.log_model_artifacts(logged.model_id, str(target))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return logged.model_id, logged.artifact_location

    def _register(self, candidate: Candidate, verdict: Verdict, run_id: str, location: str, model_id: str) -> int:
        """A new version, not crowned yet; its number."""
        model = candidate.model
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        registered = self._client.create_model_version(
            model,
            location,
            run_id,
            _version_tags(candidate, verdict, run_id),
            description=_description(verdict.because, candidate.files.get(CARD, "")),
            model_id=model_id,
        )
        link = [{"name": model, "version": str(registered.version)}]  # what the logged model's page shows
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})
        return int(registered.version)

    def _enthrone(self, model: str, number: int, verdict: Verdict) -> None:
        """Give the title to this version, unless it is another one's than the verdict says."""
        with alone(self._uri):
            reigning = self.champion(model)
            if verdict.against is not None and verdict.against != (reigning.version if reigning else 0):
                self._lose(model, number, reigning, verdict.against)
            registered = self._named(model)
            reigns = _reigns(registered, self._versions(model))
            self._client.set_model_version_tag(model, str(number), tag("crowned"), "true")
            if reigning:
                self._client.set_registered_model_alias(model, PREVIOUS, str(reigning.version))
            self._client.set_registered_model_alias(model, CHAMPION, str(number))
            winner = self.champion(model)
            if winner is None or winner.version != number:  # where there is no lock, somebody may have come in between
                self._lose(model, number, winner, reigning.version if reigning else 0)
            self._note(model, succession.followed(reigns, number, succession.moment(), verdict.because))

    def _lose(self, model: str, number: int, winner: Champion | None, against: int) -> None:
        self._client.set_model_version_tag(model, str(number), tag("crowned"), "false")
        self._client.set_registered_model_alias(model, CHALLENGER, str(number))
        raise LedgerError(succession.lost(model, number, winner, against))

    def _note(self, model: str, reigns: Sequence[Reign]) -> None:
        for name, piece in spelling.split(tag("reigned"), succession.dumps(reigns), LONGEST_DESCRIPTION).items():
            self._client.set_registered_model_tag(model, name, piece)

    def _named(self, model: str) -> RegisteredModel:
        try:
            return self._client.get_registered_model(model)
        except MlflowException as error:
            if self._is_unknown(model, error):
                raise _no_such_model(model, self._client, self._uri) from error
            raise

    def _is_unknown(self, model: str, error: MlflowException) -> bool:
        """Whether MLflow says that there is none; a server with passwords says of such a model that one may not read it."""
        is_forbidden = error.error_code == "PERMISSION_DENIED"
        return is_absent(error) or (is_forbidden and not self._client.search_registered_models(f"name = '{model}'"))

    def _versions(self, model: str) -> list[ModelVersion]:
        """In order of their numbers."""
        return sorted(self._client.search_model_versions(f"name = '{model}'"), key=lambda one: int(one.version))


def open_registry(tracking_uri: str | None = None) -> Registry:
    """The registry of a store that is there.

    Raises:
        LedgerError: There is no store at the address.
    """
    return Registry(connect(address.resolve(tracking_uri), create=False))


class Served:
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

    def __call__(self, table: Table, warn: bool = False) -> Table:
        """One column per head in natural units, with the index of `table`, which may have other columns besides.

        Args:
            table: In natural units.
            warn: Whether to add the column `outside`; see `serving.Predictor.predict`.

        Raises:
            DataError: The table lacks a column, or holds something that is no number; or the model knows no ranges.
        """
        signature = self._model.metadata.signature
        if warn and not (signature and signature.params):
            raise DataError(f"{self._uri} was registered without the ranges of its inputs, so it cannot warn")
        missing = [column for column in self.inputs if column not in table.columns]
        if missing:
            hint = did_you_mean(missing[0], [str(column) for column in table.columns if column not in self.inputs])
            raise DataError(
                f"{self._uri} needs the columns {', '.join(self.inputs)}, but the table has no {', '.join(missing)}{hint}"
            )
        try:
            return cast("Table", self._model.predict(table[self.inputs], {"warn": True} if warn else None))
        except (MlflowException, ValueError) as error:
            raise DataError(f"{self._uri} cannot predict this table: {line(error)}") from error


def load_predictor(model_uri: str, tracking_uri: str | None = None) -> Served:
    """The registered model as a function from tables to tables.

    Args:
        model_uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        tracking_uri: The store; see `address.resolve`.

    Raises:
        LedgerError: There is no such model, alias or version.
    """
    with _downloaded(model_uri, tracking_uri) as folder:
        return Served(model_uri, load_model(folder))


def fetch(model_uri: str, target: Path, tracking_uri: str | None = None) -> Path:
    """A registered model's own files; returns the folder in which `model.keras` and `serving.json` lie.

    Args:
        model_uri: As of `load_predictor`.
        target: Where to download to, a folder that is there.
        tracking_uri: The store; see `address.resolve`.

    Raises:
        LedgerError: There is no such model, alias or version, or it is none of ours.
    """
    with _downloaded(model_uri, tracking_uri, target) as folder:
        files = Path(folder) / str(Model.load(folder).flavors.get("python_function", {}).get("data", ""))
        if not (files / serving.MODEL).is_file() or not (files / serving.MANIFEST).is_file():
            raise LedgerError(f"{model_uri} was not made by branchsweep: it has no {serving.MODEL} and {serving.MANIFEST}")
        return files


@contextmanager
def _downloaded(model_uri: str, tracking_uri: str | None, target: Path | None = None) -> Iterator[str]:
    """The folder that the files of a version lie in, downloaded to `target`, or to a place of MLflow's choice."""
    uri = address.resolve(tracking_uri)
    client = connect(uri, create=False)
    with translated(uri, f"loading {model_uri}"):
        location = _model_location(client, model_uri, uri)
        where = str(target) if target else None
        yield mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=where, tracking_uri=uri, registry_uri=uri)


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
        network = Path(shutil.copytree(folder, Path(staging) / NETWORK))
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
    """Named inputs of any numeric type, named outputs of type double, and whether to warn (see `serving.Predictor.predict`).

    With inputs of type double MLflow refuses columns of whole numbers, such as `pd.DataFrame({"AT": [15], "AP": [1012]})`; what
    is no number is refused by the model. The price: `mlflow models serve` takes every form of JSON, but not CSV.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow's
    return ModelSignature(
        inputs=Schema([ColSpec(anything, column) for column in predictor.inputs]),
        outputs=Schema([ColSpec(DataType.double, head) for head in predictor.units]),
        params=ParamSchema([ParamSpec("warn", DataType.boolean, default=False)]),
    )


def _version_tags(candidate: Candidate, verdict: Verdict, sweep: str) -> dict[str, str]:
    words = {
        "sweep": sweep,
        "trial": str(candidate.result.trial.number),
        "params": spelling.exact_params(candidate.result.trial),
        "value": repr(candidate.value),
        "rule": candidate.rule,
        "data_digest": candidate.data_digest,
        "split_digest": candidate.split_digest,
        "because": verdict.because,
        "crowned": "false",  # until it is
        **{name: repr(value) for name, value in candidate.test.items()},
    }
    evidence = json.dumps(dict(verdict.evidence))
    if verdict.evidence and len(evidence) <= spelling.LONGEST_TAG:  # more is in evidence.json alone
        words["evidence"] = evidence
    return {name: piece for word, value in words.items() for name, piece in spelling.split(tag(word), value).items()}


def _description(because: str, card: str) -> str:
    """What the version's page says first: why it has the title or not, and the model's card where both fit."""
    whole = f"{because}\n\n{card}".strip()
    return whole if len(whole) <= LONGEST_DESCRIPTION else because[:LONGEST_DESCRIPTION]


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
        params=json.loads(tags.get("params", "{}")),
    )


def _told(registered: ModelVersion, titles: Sequence[str]) -> Registered:
    one = _champion(registered)
    figures = spelling.joined(registered.tags).items()
    return Registered(
        version=one.version,
        titles=titles,
        registered=_created(registered),
        sweep=one.sweep,
        trial=one.trial,
        value=one.value,
        rule=one.rule,
        test={name: float(figure) for name, figure in figures if name.startswith("test_")},
        because=one.because,
    )


def _created(registered: ModelVersion) -> str:
    return datetime.fromtimestamp(registered.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")


def _reigns(registered: RegisteredModel, versions: Sequence[ModelVersion]) -> list[Reign]:
    """Who reigned, of what is noted and of what aliases and versions say."""
    noted = succession.loads(spelling.joined(registered.tags).get("reigned", "[]"))
    crowned = [
        Reign(int(one.version), _created(one), None, one.tags.get(tag("because"), ""))
        for one in versions
        if one.tags.get(tag("crowned")) == "true"
    ]
    holder = registered.aliases.get(CHAMPION)
    return succession.settled(noted, crowned, None if holder is None else int(holder))


def _no_such_model(name: str, client: MlflowClient, uri: str) -> LedgerError:
    models = [model.name for model in client.search_registered_models(max_results=PAGE)]
    known = f"there are {', '.join(models)}" if models else "nothing is registered"
    return LedgerError(f"there is no model '{name}' in {address.shown(uri)}; {known}{did_you_mean(name, models)}")


def _model_location(client: MlflowClient, model_uri: str, uri: str) -> str:
    """Where the files of the named version lie."""
    name, separator, which = model_uri.removeprefix("models:/").replace("@", "/@").partition("/")
    if not model_uri.startswith("models:/") or not separator or not which:
        raise LedgerError(f"got model '{model_uri}', expected models:/NAME@{CHAMPION} or models:/NAME/VERSION")
    models = {model.name: model for model in client.search_registered_models(max_results=PAGE)}
    if name not in models:
        raise _no_such_model(name, client, uri)
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
