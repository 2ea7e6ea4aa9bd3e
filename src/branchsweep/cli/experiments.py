"""Commands that show an experiment without running it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from branchsweep.cli.context import open_session, with_test_data
from branchsweep.cli.help_texts import EXPERIMENT_OPTIONS
from branchsweep.cli.options import AsJson, DataPath, ExperimentPath, Overrides, RequireReal, TestDataPath, output_option
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.errors import ConfigError, DataError, UserError
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.models.architecture import Architecture

MAX_SAMPLES, MAX_COLUMNS = 1000, 10_000
"""The most networks that are sampled, and the widest drawing."""


def data(
    experiment: ExperimentPath = Path("experiments/branched.yaml"),
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    test_data: TestDataPath = None,
) -> None:
    """Print which table an experiment reads, its columns, and how its rows are split."""
    from branchsweep.config.yaml.loading import load_experiment

    console = LiteralConsole(stderr=True)
    chosen = with_test_data(load_experiment(experiment, overrides or []), test_data, console)
    # Imported after the experiment is read, which is quick, so that a mistake in it is reported at once.
    from branchsweep.data.loading import completed_by_table
    from branchsweep.reporting.text.experiment import render_data_summary
    from branchsweep.workflows.session import load_outer_rows, load_rows

    chosen = completed_by_table(chosen, data)
    session = open_session(console, data, require_real)
    units = {name: head.unit for name, head in chosen.heads.items()}
    if chosen.test.is_outer_cross_validation:
        dataset, splits = load_outer_rows(chosen, session)
    else:
        dataset, split = load_rows(chosen, session)
        splits = (split,)
    OutputConsole().print(render_data_summary(dataset, splits, units, _epochs_of_steps(chosen, splits[0].fewest_trained_on)))


def _epochs_of_steps(experiment: Experiment, rows: int) -> str:
    """How many epochs of so many rows `fit.steps` are; empty where the experiment says epochs."""
    if experiment.fit.steps is None:
        return ""
    epochs, batch_size = experiment.with_epochs(rows).fit.epochs, experiment.space.largest_batch_size
    return f"{epochs:,}, in which {rows:,} rows in batches of {batch_size:,} make {experiment.fit.steps:,} steps or more"


def _with_known_columns(experiment: Experiment) -> Experiment:
    """The experiment with the names of its inputs, what they are, and the classes of its heads, as far as its table says that.

    Where inputs are named, networks are drawn without the table, too: what is not known is counted as a number.
    """
    from branchsweep.config.sections.table import POWER_PLANT_TABLE

    table = experiment.table
    is_open = any(column.is_read_from_table for column in table.inputs.values())
    is_open = is_open or any(head.may_have_classes for head in experiment.heads.values())
    if (table.source == POWER_PLANT_TABLE or not is_open) and not table.takes_all_columns:
        return experiment
    from branchsweep.data.loading import with_named_inputs, with_resolved_columns  # imports pandas

    named = with_named_inputs(experiment)
    try:
        return with_resolved_columns(named)
    except DataError as error:
        message = f" columns are counted as numbers where the experiment does not say what they are: {error}"
        console = LiteralConsole(stderr=True)
        console.print(Text.assemble(("warning:", "yellow"), message), highlight=False, soft_wrap=True)
        return named.with_inputs({name: column.or_number for name, column in named.table.inputs.items()})


def space(
    path: Annotated[Path, typer.Argument(metavar="SPACE", help="A file of search_spaces/, or an experiment.")],
    overrides: Overrides = None,
    samples: Annotated[
        int, typer.Option("--samples", min=0, max=MAX_SAMPLES, help="Number of networks to sample at random.")
    ] = 3,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            rich_help_panel=EXPERIMENT_OPTIONS,
            min=0,
            max=2**32 - 1,
            help="Seed of the samples; default: the experiment's.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a search space: its dimensions, its size, and drawings of sampled networks.

    Heads and inputs are those of the experiment; for a file of search_spaces/, those it names, such as PE in PE.depth.
    """
    from branchsweep.config.yaml.bare_space import experiment_around_space
    from branchsweep.config.yaml.loading import is_space_file, load_experiment
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.reporting.text import layout
    from branchsweep.reporting.text.experiment import render_search_space_summary
    from branchsweep.workflows.search_space_summary import summarize_space

    if is_space_file(path):
        if overrides:
            raise ConfigError(f"got {path}, a search space; expected an experiment, whose values can be changed", where="--set")
        chosen, name = experiment_around_space(path), path.stem
    else:
        chosen = _with_known_columns(load_experiment(path, overrides or []))
        name = chosen.name
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    console = OutputConsole()
    if as_json:
        print_json(summarize_space(name, chosen, samples).to_json())
    else:
        columns = min(console.width - layout.INDENT, COLUMNS)
        console.print(render_search_space_summary(summarize_space(name, chosen, samples, columns)))


def draw(
    experiment: ExperimentPath,
    initial_trial: Annotated[
        str, typer.Option("--initial-trial", "--known", metavar="NAME", help="Only this initial trial; default: all.")
    ] = "",
    overrides: Overrides = None,
    columns: Annotated[
        int | None, typer.Option("--columns", min=40, max=MAX_COLUMNS, help="Width in characters; default: the terminal's.")
    ] = None,
    output: Annotated[
        Path | None,
        output_option("Write an image with Keras and Graphviz: .png, .svg or .pdf."),
    ] = None,
) -> None:
    """Draw the networks that an experiment names: its initial trials, or else its fixed values and defaults.

    Prints text; with -o, writes one network as an image, as keras.utils.plot_model draws it.
    """
    from branchsweep.config.yaml.loading import load_experiment
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.reporting.text import layout
    from branchsweep.reporting.text.experiment import render_network_drawings
    from branchsweep.workflows.search_space_summary import known_networks

    chosen = _with_known_columns(load_experiment(experiment, overrides or []))
    console = OutputConsole(width=columns)
    width = console.width - layout.INDENT
    samples = known_networks(chosen, initial_trial, width if columns else min(width, COLUMNS))
    if output is None:
        console.print(render_network_drawings(samples))
        return
    if len(samples) > 1:
        names = ", ".join(sample.known for sample in samples)
        message = f"an image shows one network, but {chosen.name} has {len(samples)} ({names})"
        raise UserError(f"{message}; choose one with --initial-trial NAME", str(output))
    _draw_into(output, samples[0].architecture, list(chosen.table.inputs))
    title = f"{chosen.name} {samples[0].known}".rstrip()
    message = f"{output} written: {title}, {samples[0].parameters:,} parameters"
    LiteralConsole(stderr=True).print(message, highlight=False, soft_wrap=True)


def _draw_into(output: Path, architecture: Architecture, inputs: Sequence[str]) -> None:
    """Draw a network into a file; whatever is missing is reported before TensorFlow is imported."""
    from branchsweep.models.network_picture import check_output_path, network_dot, render_dot, require_graphviz
    from branchsweep.runtime import silence_stderr

    check_output_path(output)
    require_graphviz()
    with silence_stderr():
        dot = network_dot(architecture, inputs)
    render_dot(dot, output)


def schema(
    kind: Annotated[
        Literal["experiment", "space", "comparison"],
        typer.Argument(metavar="KIND", help="The kind of file: experiment, space or comparison."),
    ] = "experiment",
) -> None:
    """Print the JSON Schema of the YAML files, with which editors complete and check them."""
    from branchsweep.config.yaml.json_schema import json_schema

    print_json(json.dumps(json_schema(kind), indent=2))
