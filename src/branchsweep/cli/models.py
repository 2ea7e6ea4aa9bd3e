"""Commands about registered models."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from branchsweep.cli.opening import refuse_missing_folder
from branchsweep.cli.words import AsJson, Model, TrackingUri
from branchsweep.errors import UserError


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Such as models:/ccpp-branched@champion.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="An xlsx, csv or parquet file with the input columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write: .csv, .xlsx or .parquet.")],
    sheet: Annotated[str | None, typer.Option("--sheet", help="The sheet of an xlsx file.")] = None,
    warn: Annotated[
        bool, typer.Option("--warn", help="Add the column 'outside': whether an input lies outside the range of the training.")
    ] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Predict with a registered model: the table's columns, and one per head in natural units.

    A column that is named as a head stays beside its prediction as <head>_actual.
    """
    from branchsweep.data import read_inputs, write_table
    from branchsweep.ledgers.registry import load_predictor
    from branchsweep.quiet import silent_start
    from branchsweep.serving import OUTSIDE

    predictor = load_predictor(model, tracking_uri)
    frame = read_inputs(table, sheet, predictor.inputs)
    with silent_start():
        predicted = predictor(frame, warn)
    kept = frame.rename(columns={head: f"{head}_actual" for head in predicted.columns})
    write_table(kept.assign(**{head: predicted[head] for head in predicted.columns}), output)
    outside = f", {predicted[OUTSIDE].sum():,} of them outside what the model has seen" if warn else ""
    Console(stderr=True).print(f"{len(frame):,} rows predicted into {output}{outside}", highlight=False)


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Such as models:/ccpp-branched@champion.")],
    kind: Annotated[
        Literal["keras", "code"],
        typer.Option("--format", help="keras: the trained network; code: a script that trains it anew in plain Keras."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write: .keras, or .py for code.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a registered model as a Keras file, or as a script in plain Keras that trains it anew.

    Beside a Keras file, which takes scaled inputs, serving.json says how they are scaled.
    """
    from branchsweep import script
    from branchsweep.ledgers.registry import fetch
    from branchsweep.serving import MANIFEST, MODEL

    beside = output.with_name(MANIFEST)
    _refuse_place(kind, output, beside)
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        files = fetch(model, Path(folder), tracking_uri)
        try:
            if kind == "keras":
                shutil.copy(files / MODEL, output)
                shutil.copy(files / MANIFEST, beside)
                sentence = f"{output} written, and beside it {beside}: its scalers, columns and units"
            else:
                manifest = json.loads((files / MANIFEST).read_text(encoding="utf-8"))
                output.write_text(script.of_manifest(model, manifest), encoding="utf-8")
                sentence = f"{output} written; to train: python {output} TABLE"
        except OSError as error:
            raise UserError(f"cannot be written ({error})", str(output)) from error
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)


def _refuse_place(kind: str, output: Path, beside: Path) -> None:
    """Raises unless a model may be written there: two Keras files in one folder would share the scalers of one of them."""
    suffix = {"keras": ".keras", "code": ".py"}[kind]
    if output.suffix != suffix:
        raise UserError(f"got {output}, expected a path that ends in {suffix}")
    refuse_missing_folder(output)
    others = sorted(other.name for other in output.parent.glob("*.keras") if other.name != output.name)
    if kind == "keras" and beside.exists() and others:
        raise UserError(f"{beside} belongs to {others[0]} already; write into another folder")


def history(
    model: Model,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Tell of a registered model who reigned, since when and why, and list its versions."""
    from branchsweep.ledgers.registry import open_registry
    from branchsweep.report import text

    told = open_registry(tracking_uri).chronicle(model)
    if as_json:
        typer.echo(told.to_json())
    else:
        Console().print(text.chronicle(told))


def rollback(model: Model, tracking_uri: TrackingUri = None) -> None:
    """Give a registered model's title back to its previous champion; the present one becomes the challenger."""
    from branchsweep.ledgers.registry import open_registry
    from branchsweep.report import text

    done = open_registry(tracking_uri).rollback(model)
    Console().print(text.rollback(done), highlight=False, soft_wrap=True)
