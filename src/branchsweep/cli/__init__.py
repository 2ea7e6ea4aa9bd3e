"""The command line: each command opens what it needs, calls a workflow, and prints the result.

Heavy libraries are imported inside the commands that need them, so that `--help` starts fast. Open `sweeps` first,
which has `run`, then `context`, which opens the table, the workers and the store for all commands.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from branchsweep import __version__
from branchsweep.cli.comparisons import compare
from branchsweep.cli.context import BEGAN, warnings_about_yaml_as_notes
from branchsweep.cli.diffs import diff
from branchsweep.cli.experiments import data, draw, schema, space
from branchsweep.cli.failures import ends_with_one_message
from branchsweep.cli.help_imports import import_help
from branchsweep.cli.help_texts import epilog
from branchsweep.cli.init import init
from branchsweep.cli.models import check, explain, export, history, predict, rollback
from branchsweep.cli.output import flush_output
from branchsweep.cli.plain_characters import print_plain_characters
from branchsweep.cli.records import export_study, report, show
from branchsweep.cli.server import ui
from branchsweep.cli.sweeps import promote, replay, run
from branchsweep.cli.watch import watch
from branchsweep.reporting.text.literal_console import LiteralConsole
from branchsweep.runtime import collect_garbage_rarely, own_temporary_files, process_age

app = typer.Typer(
    name="branchsweep",
    help="Hyperparameter sweeps for branched multi-output Keras networks: hundreds of trials at once, every one in MLflow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

COMMANDS: Mapping[str, Sequence[Callable[..., Any]]] = {
    "Sweeps and comparisons": (run, watch, compare, show, diff, report, replay, promote),
    "Experiment files": (init, data, space, draw, schema),
    "Registered models": (predict, explain, check, export, history, rollback),
    "Other tools": (ui, export_study),
}
"""The commands by their group in `--help`, in its order."""

WITHOUT_TEMPORARY_FILES = {command.__name__ for command in (init, data, space, draw, schema, ui)}
"""Commands that start fast, and write none; or leave them to MLflow's server."""


def main() -> None:
    """The entry point; what a user can mend is printed as one message, with exit code 2."""
    BEGAN.set(time.perf_counter() - process_age())
    collect_garbage_rarely()
    print_plain_characters()
    import_help(sys.argv[1:])
    console = LiteralConsole(stderr=True)
    with ends_with_one_message(console):
        try:
            with warnings_about_yaml_as_notes(console):
                app()
        finally:
            flush_output()


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"branchsweep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,  # noqa: ARG001  # its callback acts
) -> None:
    if context.invoked_subcommand not in WITHOUT_TEMPORARY_FILES:
        context.with_resource(own_temporary_files())


for group, commands in COMMANDS.items():
    for command in commands:
        name = command.__name__.replace("_", "-")
        app.command(name, rich_help_panel=group, epilog=epilog(name))(command)
