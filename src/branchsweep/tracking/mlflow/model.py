"""Models in MLflow's format: saved with a registered version, loaded and downloaded again."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel, load_model
from mlflow.pyfunc import save_model as save_pyfunc
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType

from branchsweep.config.addresses import Address
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.errors import MALFORMED, DataError, TrackingError, did_you_mean, first_line, reading_record
from branchsweep.models import serving
from branchsweep.models.encoder_files import add_encoder_files
from branchsweep.models.table_reading import TableReading
from branchsweep.runtime import temporary_folder
from branchsweep.tracking.champion_history import CHAMPION, lost_alias_message
from branchsweep.tracking.mlflow.connection import connect, download_files
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.store import PAGE
from branchsweep.tracking.tracking_uri import resolve_tracking_uri

if TYPE_CHECKING:
    from branchsweep.models.serving import Table

DEPLOYED = ("mlflow", "keras", "tensorflow", "numpy", "pandas", "scipy")
"""The requirements of a deployed model, at the installed versions: MLflow would take seconds to infer them."""

DEPLOYED_WITH_ESTIMATORS = (*DEPLOYED, "scikit-learn", "skops")
"""Those of one that has estimators of scikit-learn beside its networks: another version may read them differently."""

NETWORK = "network"
"""The folder of the exported files in the logged model's `data`."""


class LoadedModel:
    """A registered model as a function from tables to tables. Made by `load_predictor`.

    Args:
        uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        model: As MLflow loaded it.
        targets: The target column of each head; empty where the model does not say how it was trained.
        reading: What its tables are read by.
    """

    def __init__(self, uri: str, model: PyFuncModel, targets: Mapping[str, str], reading: TableReading) -> None:
        self._uri = uri
        self._model = model
        self.targets, self.missing, self.csv = dict(targets), list(reading.missing), dict(reading.csv)
        self.columns = dict(reading.columns)

    @property
    def inputs(self) -> list[str]:
        """The input columns."""
        signature = self._model.metadata.signature
        return list(signature.inputs.input_names()) if signature and signature.inputs else []

    @property
    def heads(self) -> list[str]:
        """The columns of its predictions, one per head."""
        signature = self._model.metadata.signature
        return list(signature.outputs.input_names()) if signature and signature.outputs else []

    @property
    def required(self) -> list[str]:
        """The input columns that a table must have: those without gaps."""
        return [name for name, column in self.input_columns.items() if not column.fills_gaps]

    @property
    def input_columns(self) -> dict[str, Column]:
        """The input columns, each with what it is."""
        return {name: self.columns.get(name, NUMERIC) for name in self.inputs}

    def __call__(self, table: Table, warn: bool = False, interval: float = 0.0, joint: bool = False) -> Table:
        """Predict one column per head in natural units, with the index of the table.

        Args:
            table: Inputs in natural units; further columns are ignored.
            warn: Whether to add the column `outside`; see `serving.Predictor.predict`.
            interval: The share of actual values that prediction intervals are to contain, which adds columns `<head>_low` and
                `<head>_high`; 0 for none.
            joint: Whether they are to contain the actual values of all heads at once.

        Raises:
            DataError: The table lacks a column, or has a value that is no number; or the model was registered without ranges or
                prediction intervals.
        """
        signature = self._model.metadata.signature
        params: dict[str, Any] = {"warn": True} if warn else {}
        if interval:
            params |= {"interval": float(interval), "joint": joint}
        known = {param.name for param in signature.params} if signature and signature.params else set()
        if warn and "warn" not in known:
            raise DataError(f"{self._uri} was registered without the ranges of its inputs, so it cannot warn")
        if interval and "interval" not in known:
            raise DataError(f"{self._uri} was registered by a version that kept no prediction intervals; promote a new version")
        missing = [column for column in self.required if column not in table.columns]
        if missing:
            hint = did_you_mean(missing[0], [str(column) for column in table.columns if column not in self.inputs])
            raise DataError(
                f"{self._uri} needs the columns {', '.join(self.inputs)}, but the table has no {', '.join(missing)}{hint}"
            )
        try:
            present = [name for name in self.inputs if name in table.columns]
            return cast("Table", self._model.predict(table[present], params or None))
        except (MlflowException, *MALFORMED) as error:
            raise DataError(f"{self._uri} cannot predict this table: {first_line(error)}") from error


def load_predictor(model_uri: str, tracking_uri: Address | None = None) -> LoadedModel:
    """A registered model as a function from tables to tables.

    Args:
        model_uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no such model, alias or version.
    """
    with ExitStack() as copies, _downloaded(model_uri, tracking_uri) as downloaded:
        folder = _path_for_mlflow(downloaded, copies)
        manifest = _own_files(folder) / serving.MANIFEST_FILE
        with reading_record(f"{serving.MANIFEST_FILE} of {model_uri}"):
            content = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
            targets = {str(head): str(column) for head, column in (content.get("provenance") or {}).get("columns", {}).items()}
            reading = TableReading.of(content)
        model = load_model(folder)
        weakref.finalize(model, copies.pop_all().close)  # the network is read by the first prediction
        loaded = LoadedModel(model_uri, model, targets, reading)
        if not loaded.inputs or not all(isinstance(name, str) for name in loaded.inputs):
            raise TrackingError(f"{model_uri} was not made by branchsweep: it has no signature that names its input columns")
        return loaded


def _path_for_mlflow(folder: str, copies: ExitStack) -> str:
    """A folder of the same content whose path MLflow reads as it is: it takes paths for URIs, in which `%41` is an `A`.

    Args:
        folder: The folder.
        copies: Deletes a copy, where one is made.
    """
    if url2pathname(folder) == folder:
        return folder
    return str(shutil.copytree(folder, copies.enter_context(temporary_folder()) / "model"))


def download_model(model_uri: str, target: Path, tracking_uri: Address | None = None) -> Path:
    """Download a registered model's own files; returns the folder that holds them, as `save_model` names them.

    Args:
        model_uri: As of `load_predictor`.
        target: An existing folder.
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no such model, alias or version, or it was not made by branchsweep.
    """
    with _downloaded(model_uri, tracking_uri, target) as folder:
        files = _own_files(folder)
        if not (files / serving.MODEL_FILE).is_file() or not (files / serving.MANIFEST_FILE).is_file():
            raise TrackingError(
                f"{model_uri} was not made by branchsweep: it has no {serving.MODEL_FILE} and {serving.MANIFEST_FILE}"
            )
        with reading_record(f"{serving.MANIFEST_FILE} of {model_uri}"):
            add_encoder_files(files)
        return files


def _own_files(folder: str) -> Path:
    """The folder with the files that `save_model` saved, in the folder of a version."""
    return Path(folder) / str(Model.load(folder).flavors.get("python_function", {}).get("data", ""))


@contextmanager
def _downloaded(model_uri: str, tracking_uri: Address | None, target: Path | None = None) -> Iterator[str]:
    """A folder with the files of a version, downloaded to `target`, or to a folder of MLflow's choice."""
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=False)
    with translate_errors(uri, f"loading {model_uri}"):
        location = model_location(client, model_uri, uri)
        yield download_files(client, location, target)


def save_model(folder: Path, target: Path, description: Model | None = None) -> None:
    """Save an exported network as a pyfunc model that can be loaded without branchsweep.

    `serving.py` is saved with it under a name with a digest of its content, so that models that were saved with different
    versions of it can be loaded in one process. Nothing is unpickled: Keras reads the network in safe mode, and skops the
    estimators that a model may have.

    Args:
        folder: Holds the files that `serving.model_file_names` lists.
        target: The model's folder, which is created.
        description: Further fields of `MLmodel`.
    """
    code = Path(serving.__file__)
    loader = f"branchsweep_serving_{sha256(code.read_bytes()).hexdigest()[:12]}"
    predictor = serving.Predictor(folder)
    with temporary_folder() as staging:
        network = shutil.copytree(folder, staging / NETWORK)
        shutil.copy(code, staging / f"{loader}.py")
        save_pyfunc(
            target,
            loader_module=loader,
            data_path=str(network),
            code_paths=[str(staging / f"{loader}.py")],
            mlflow_model=description or Model(),
            signature=signature(predictor),
            input_example=predictor.example,
            pip_requirements=_requirements(DEPLOYED_WITH_ESTIMATORS if predictor.estimators else DEPLOYED),
            metadata={"units": predictor.units, "inputs": _described_inputs(predictor)},
        )


def _described_inputs(predictor: serving.Predictor) -> dict[str, dict[str, Any]]:
    """By input its kind, and whether it may be missing: what the types of a signature cannot say (see `signature`)."""
    return {
        name: {"kind": column.get("kind", NUMERIC.kind), "optional": predictor.may_be_missing(name)}
        for name, column in predictor.columns().items()
    }


def _outputs(predictor: serving.Predictor) -> list[ColSpec | TensorSpec]:
    """The columns of predictions: a number for each head, of one with classes a class, and their probabilities."""
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow's
    columns: list[ColSpec | TensorSpec] = []
    for head in predictor.units:
        if head in predictor.classes:
            columns.append(ColSpec(anything, head))
        columns += [ColSpec(DataType.double, name) for name in predictor.output_columns[head]]
    return columns


def signature(predictor: serving.Predictor) -> ModelSignature:
    """Named inputs, outputs of type double (classes of any), and the params of `serving.Predictor.predict`.

    Inputs are of any type; those that may have gaps are optional. With inputs of type double MLflow refuses columns of whole
    numbers, such as `pd.DataFrame({"AT": [15], "AP": [1012]})`, and with type string columns of gaps alone and pandas's
    categorical columns, and a JSON null becomes the text "None". Values that are no numbers are refused by the model. The
    price: `mlflow models serve` accepts JSON, but not CSV. What each input is, the model's metadata say (`inputs`).
    """
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow's
    return ModelSignature(
        inputs=Schema([ColSpec(anything, name, required=not predictor.may_be_missing(name)) for name in predictor.inputs]),
        outputs=Schema(_outputs(predictor)),
        params=ParamSchema(
            [
                ParamSpec("warn", DataType.boolean, default=False),
                ParamSpec("interval", DataType.double, default=0.0),
                ParamSpec("joint", DataType.boolean, default=False),
            ]
        ),
    )


def no_such_model(name: str, client: MlflowClient, uri: Address) -> TrackingError:
    """The error for the name of a model that is not registered."""
    models = [model.name for model in client.search_registered_models(max_results=PAGE)]
    known = f"there are {', '.join(models)}" if models else "nothing is registered"
    return TrackingError(f"there is no model '{name}' in {uri}; {known}{did_you_mean(name, models)}")


def model_location(client: MlflowClient, model_uri: str, uri: Address) -> str:
    """URI of the files of a version.

    Raises:
        TrackingError: There is no such model, alias or version.
    """
    name, separator, which = model_uri.removeprefix("models:/").replace("@", "/@").partition("/")
    if not model_uri.startswith("models:/") or not separator or not which:
        raise TrackingError(f"got model '{model_uri}', expected models:/NAME@{CHAMPION} or models:/NAME/VERSION")
    models = {model.name: model for model in client.search_registered_models(max_results=PAGE)}
    if name not in models:
        raise no_such_model(name, client, uri)
    aliases = {alias: str(number) for alias, number in models[name].aliases.items()}
    requested = aliases.get(which[1:], "") if which.startswith("@") else which
    versions = {str(found.version) for found in client.search_model_versions(f"name = '{name}'")}
    if which.startswith("@") and requested and requested not in versions:
        raise TrackingError(lost_alias_message(name, which[1:], int(requested)))
    if requested not in versions:
        usable = [f"@{alias}" for alias, number in aliases.items() if number in versions]
        known = ", ".join([*usable, *sorted(versions, key=int)])
        raise TrackingError(f"there is no {model_uri}; of '{name}' there are {known}")
    return str(client.get_model_version_download_uri(name, requested))


def _requirements(packages: Sequence[str]) -> list[str]:
    return [f"{package}=={number}" for package in packages if (number := _installed(package))]


def _installed(package: str) -> str:
    """The installed version; empty for a package that is installed under another name (tensorflow-cpu)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
