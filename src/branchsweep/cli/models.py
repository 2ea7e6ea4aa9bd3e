"""Commands about registered models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from rich.text import Text

from branchsweep.cli.context import key_and_value, require_other_file, require_parent_folder
from branchsweep.cli.options import AsJson, Model, Sheet, TrackingUri, csv_option, output_option
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.errors import DataError, UserError, first_line, reading_record
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.config.addresses import Address
    from branchsweep.data.tables import FileOptions
    from branchsweep.models.serving import Table
    from branchsweep.workflows.explanation import Explanation
    from branchsweep.workflows.table_check import TableCheck

Result = TypeVar("Result")

CsvOption = Annotated[
    list[str] | None,
    csv_option(
        "How a csv file is written (separator, decimal, thousands, encoding), such as decimal=,. Repeatable. "
        "Default: what the model's experiment says (table.csv), else as it is recognised."
    ),
]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as models:/ccpp-branched@champion.")],
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A file with the input columns; read as an experiment's table.")
    ],
    output: Annotated[
        Path,
        output_option("Path to write: .csv, .xlsx or .parquet."),
    ],
    sheet: Sheet = None,
    csv: CsvOption = None,
    warn: Annotated[
        bool,
        typer.Option("--warn", help="Add the column 'outside': whether an input lies outside the range of the training rows."),
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            metavar="SHARE",
            help="Add the columns <head>_low and <head>_high: prediction intervals that contain this share of actual values, "
            "such as 0.9.",
        ),
    ] = None,
    joint: Annotated[
        bool,
        typer.Option("--joint", help="With --interval: SHARE is that of rows in which all heads are inside at once."),
    ] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Predict with a registered model: writes the table's columns, and one column per head in natural units.

    A head's target column, if it has the name of the head, is kept as <head>_actual. Where another column has the name of the
    head, the prediction is <head>_predicted.
    """
    from branchsweep.data.files.written_table import write_table
    from branchsweep.data.prediction_columns import with_predictions, without_prediction
    from branchsweep.data.tables import read_inputs
    from branchsweep.models.serving import OUTSIDE_COLUMN
    from branchsweep.runtime import silence_stderr
    from branchsweep.tracking.open import load_predictor

    if interval is not None and not 0 < interval < 1:
        raise UserError(f"got {interval:g}, expected a share of actual values above 0 and below 1, such as 0.9", "--interval")
    if joint and interval is None:
        raise UserError("says what --interval is of; give --interval, too, such as --interval 0.9", "--joint")
    require_other_file(output, table)
    predictor = load_predictor(model, tracking_uri)
    console = LiteralConsole(stderr=True)
    as_written = output.suffix.lower() == ".csv"
    options = _file_options(table, sheet, csv, predictor.csv, model)
    source = read_inputs(table, options, predictor.input_columns, predictor.missing, as_written)
    with silence_stderr():
        predicted = predictor(source.frame, warn, interval or 0.0, joint)
    beside = [name for name in predicted.columns if name not in predictor.heads]
    further = [name for name in predicted.columns if name not in (predictor.targets or predictor.heads)]
    _print_warnings(filter(None, (*source.warnings, without_prediction(predicted, beside))))
    written, names = with_predictions(source.frame, predicted, predictor.targets, further)
    write_table(written, output)
    outside = f", {predicted[OUTSIDE_COLUMN].sum():,} of them outside the range of the training rows" if warn else ""
    console.print(f"{output} written: predictions for {len(predicted):,} rows{outside}", highlight=False)
    for head, name in names.items():
        if name != head:
            message = f"the table has a column {head} already, so {name} is the new one"
            console.print(message, highlight=False, soft_wrap=True)


def _print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on standard error."""
    console = LiteralConsole(stderr=True)
    for warning in warnings:
        console.print(Text.assemble(("warning:", "yellow"), f" {warning}"), highlight=False, soft_wrap=True)


def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as models:/ccpp-branched@champion.")],
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A file with the input columns; read as an experiment's table.")
    ],
    sheet: Sheet = None,
    csv: CsvOption = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Compare a table with the rows that a registered model was trained on: has an input changed, is it still as accurate?

    Shows for each input its population stability index, rows outside the range of the training rows, and missing values; for
    each head whose targets the table has, its score beside that on the test rows. The exit code is 1 where an input has
    changed strongly.
    """
    from branchsweep.reporting.text.table_check import render_table_check
    from branchsweep.tracking.champion_history import downloaded_test_metrics
    from branchsweep.workflows.table_check import check_table

    def checked(folder: Path, files: Path, frame: Table) -> TableCheck:
        return check_table(files, frame, model, str(table), downloaded_test_metrics(folder))

    found = _of_table(checked, model, table, tracking_uri, lambda recorded: _file_options(table, sheet, csv, recorded, model))
    if as_json:
        print_json(found.to_json())
    else:
        OutputConsole().print(render_table_check(found))
    if found.strongly_changed:
        raise typer.Exit(1)


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as models:/ccpp-branched@champion.")],
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A file with inputs and targets; best of rows that the model has not seen.")
    ],
    output: Annotated[
        Path | None,
        output_option("Draw importance and partial dependence into this folder, as PNG.", "FOLDER"),
    ] = None,
    sheet: Sheet = None,
    csv: CsvOption = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Show which inputs the predictions of a registered model rest on, and how they depend on them.

    The importance of an input for a head is what the head's score loses when the input is shuffled among the rows (permutation
    importance), with a confidence interval.
    """
    from branchsweep.reporting.text.explanation import render_explanation
    from branchsweep.runtime import write_files
    from branchsweep.workflows.explanation import explain_files

    def explained(_folder: Path, files: Path, frame: Table) -> tuple[Explanation, Mapping[str, bytes]]:
        explanation = explain_files(files, frame, str(table))
        return explanation, _explanation_pictures(explanation, files) if output else {}

    found, pictures = _of_table(
        explained, model, table, tracking_uri, lambda recorded: _file_options(table, sheet, csv, recorded, model)
    )
    if output:
        write_files(output, pictures)
        LiteralConsole(stderr=True).print(f"{', '.join(str(output / name) for name in pictures)} written", highlight=False)
    if as_json:
        print_json(found.to_json())
    else:
        OutputConsole().print(render_explanation(found, f"{model} on rows of {table}"))


def _explanation_pictures(explanation: Explanation, files: Path) -> dict[str, bytes]:
    """By file name the figures of an explanation, as PNG; of those for which there is anything to draw."""
    from branchsweep.models.serving import Predictor
    from branchsweep.reporting.figures import explanation as figures
    from branchsweep.reporting.figures.plot_style import png

    predictor, pictures = Predictor(files), {}
    units = [predictor.units[head] for head, count in predictor.outputs.items() for _ in range(count)]
    if explanation.explained_heads:
        pictures["permutation_importance.png"] = png(figures.importance_figure(explanation))
    if figures.has_curves(explanation):
        pictures["partial_dependence.png"] = png(figures.dependence_figure(explanation, units))
    return pictures


def _of_table(
    compute: Callable[[Path, Path, Table], Result],
    model: str,
    table: Path,
    tracking_uri: Address | None,
    options: Callable[[Mapping[str, str]], FileOptions],
) -> Result:
    """What is computed of a registered model and a table whose cells may be missing.

    Args:
        compute: From the folder of the downloaded version, that of the exported files in it, and the table.
        model: The model.
        table: The table.
        tracking_uri: The store.
        options: From the csv options that the model records to how the table is read.

    Raises:
        UserError: The model or the table cannot be used.
    """
    from branchsweep.data.tables import read_inputs_with_gaps
    from branchsweep.models.serving import MANIFEST_FILE
    from branchsweep.models.table_reading import TableReading
    from branchsweep.runtime import silence_stderr, temporary_folder
    from branchsweep.tracking.open import download_model

    with temporary_folder() as folder:
        files = download_model(model, folder, tracking_uri)
        with reading_record(f"{MANIFEST_FILE} of {model}"):
            reading = TableReading.of(json.loads((files / MANIFEST_FILE).read_text(encoding="utf-8")))
        source = read_inputs_with_gaps(table, options(reading.csv), reading.inputs, reading.missing)
        _print_warnings(source.warnings)
        try:
            with silence_stderr():
                return compute(folder, files, source.frame)
        except ValueError as error:
            raise DataError(f"{model} cannot predict this table: {first_line(error)}", str(table)) from error


def _file_options(
    table: Path, sheet: str | None, csv: list[str] | None, recorded: Mapping[str, str], model: str
) -> FileOptions:
    """How a table is read: as the user says, else as the model's experiment was."""
    from branchsweep.config.sections.csv_options import csv_options
    from branchsweep.data.tables import FileOptions, sheet_named

    options = FileOptions(csv=csv_options(recorded, model)).that_apply_to(table).csv
    return FileOptions(sheet_named(table, sheet), csv_options(dict(map(key_and_value, csv)), "--csv") if csv else options)


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as models:/ccpp-branched@champion.")],
    kind: Annotated[
        Literal["keras", "onnx", "tflite", "code"],
        typer.Option(
            "--format",
            help="keras, onnx, tflite (TensorFlow Lite): the trained network; code: a script that trains it again in Keras.",
        ),
    ],
    output: Annotated[
        Path,
        output_option("Path to write: .keras, .onnx or .tflite; .py for code."),
    ],
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a registered model as a network in the format of Keras, ONNX or TensorFlow Lite, or as a script that trains it.

    The network takes encoded inputs. Beside it are written serving.json, with the fitted encoders, columns and units, and
    encoder_KIND.py, the code of each kind of encoder, and of a model that has estimators of scikit-learn beside its networks,
    these: what serving.py needs to predict from raw inputs. With onnx and tflite, serving.py is written, too: it predicts where
    neither branchsweep nor Keras is installed. onnx needs: pip install 'branchsweep[onnx]'.
    """
    from branchsweep.models.codegen import script_from_manifest
    from branchsweep.models.serving import MANIFEST_FILE
    from branchsweep.runtime import temporary_folder, write_file, write_files
    from branchsweep.tracking.open import download_model

    _check_output(kind, output)
    with temporary_folder() as folder:
        files = download_model(model, folder, tracking_uri)
        try:
            if kind == "code":
                manifest = json.loads((files / MANIFEST_FILE).read_text(encoding="utf-8"))
                write_file(output, script_from_manifest(model, manifest))
                message = f"{output} written; train with: python {output} TABLE"
            else:
                exported = _network_files(model, files, output)
                write_files(output.parent, exported)
                beside = ", ".join(str(output.with_name(name)) for name in exported if name not in (output.name, MANIFEST_FILE))
                message = (
                    f"{output} written, and beside it {output.with_name(MANIFEST_FILE)} (encoders, columns, units), {beside}"
                )
        except OSError as error:
            raise UserError(f"cannot be written ({error})", str(output)) from error
    LiteralConsole(stderr=True).print(message.removesuffix(", "), highlight=False, soft_wrap=True)


def _network_files(model: str, files: Path, output: Path) -> dict[str, bytes]:
    """By name what is written for a network: the network first, then what `serving.py` needs, and this where Keras is not.

    Args:
        model: As the user names it.
        files: The folder of the registered model.
        output: The path of the network, whose suffix says its format.

    Raises:
        UserError: The network cannot be converted, or another model was written under the same name.
    """
    from branchsweep.models import serving

    with reading_record(f"{serving.MANIFEST_FILE} of {model}"):
        names = serving.model_file_names(json.loads((files / serving.MANIFEST_FILE).read_text(encoding="utf-8")))
    beside = {name: (files / name).read_bytes() for name in names if name != serving.MODEL_FILE}
    present = output.with_name(serving.MANIFEST_FILE)
    others = [other.name for other in _networks_beside(output) if other.name != output.name]
    if others and present.exists() and present.read_bytes() != beside[serving.MANIFEST_FILE]:
        raise UserError(f"belongs to {others[0]}, another model; choose another folder", str(present))
    if output.suffix == ".keras":
        return {output.name: (files / serving.MODEL_FILE).read_bytes(), **beside}
    from branchsweep.runtime import silence_stderr

    with silence_stderr():  # TensorFlow logs while it is imported
        from branchsweep.models.conversion import convert_network

    own = Path(serving.__file__).read_bytes()
    script = output.with_name("serving.py")
    if script.exists() and script.read_bytes().partition(b"\n")[0] != own.partition(b"\n")[0]:
        raise UserError("is not the file of this name that predicts; choose another folder", str(script))
    converted = files / f"converted{output.suffix}"
    convert_network(files / serving.MODEL_FILE, converted)
    return {output.name: converted.read_bytes(), **beside, script.name: own}


def _networks_beside(output: Path) -> list[Path]:
    """The files of networks in the folder of this one."""
    from branchsweep.models.serving import NETWORK_FORMATS

    return sorted(file for file in output.parent.iterdir() if file.suffix in NETWORK_FORMATS)


def _check_output(kind: str, output: Path) -> None:
    """Check the path of an exported model: two models in one folder would overwrite each other's encoders.

    Raises:
        UserError: If the suffix is wrong, the folder does not exist, or another model's encoders are in it.
    """
    from branchsweep.models.serving import MANIFEST_FILE

    suffix = ".py" if kind == "code" else f".{kind}"
    if output.suffix != suffix:
        raise UserError(f"expected a path that ends in {suffix}", str(output))
    require_parent_folder(output)
    others = [] if kind == "code" else [other.name for other in _networks_beside(output) if other.stem != output.stem]
    if others and (beside := output.with_name(MANIFEST_FILE)).exists():
        raise UserError(f"belongs to {others[0]}; choose another folder", str(beside))


def history(
    model: Model,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a registered model, and when each champion was in use, with the reasons."""
    from branchsweep.reporting.text.registry import render_champion_history
    from branchsweep.tracking.open import open_registry

    recorded = open_registry(tracking_uri).history(model)
    if as_json:
        print_json(recorded.to_json())
    else:
        OutputConsole().print(render_champion_history(recorded))


def rollback(model: Model, tracking_uri: TrackingUri = None) -> None:
    """Make the previous champion of a registered model champion again; the present champion becomes the challenger."""
    from branchsweep.reporting.text.registry import render_rollback_result
    from branchsweep.tracking.open import open_registry

    console = OutputConsole()
    open_registry(tracking_uri).rollback(
        model, lambda result: console.print(render_rollback_result(result), highlight=False, soft_wrap=True)
    )
