"""The command that compares two trials or two registered versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from branchsweep.cli.context import read_recorded_trial, require_page_path
from branchsweep.cli.options import AsJson, PageOutput, TrackingUri
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, UnreadableRecordError, UserError, did_you_mean
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.tracking.open import SweepReader
    from branchsweep.workflows.records.compared_trial import ComparedTrial
    from branchsweep.workflows.records.sweep_summary import SweepSummary

OTHERWISE = "SWEEP:NUMBER (branched:17), MODEL@ALIAS (plant@champion), or models:/MODEL/VERSION"
"""What may be given instead of a trial's run id."""

_TRIAL = re.compile(r"(?P<sweep>[^:@/]+):(?P<number>[0-9]{1,9})")
_VERSION = re.compile(r"(?:models:/)?(?P<model>[^:@/]+)(?:@(?P<alias>[^:@/]+)|/(?P<version>[0-9]{1,9}))")

_COMPARED = (
    "SWEEP:NUMBER, a trial's run id or a prefix of it, MODEL@ALIAS, or models:/MODEL/VERSION, whose trial is then compared."
)


def diff(
    first: Annotated[str, typer.Argument(metavar="FIRST", help=_COMPARED)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The other one, which may be of another sweep or model.")],
    every: Annotated[bool, typer.Option("--all", help="Show equal values as rows, too.")] = False,
    output: PageOutput = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Compare two trials or two registered versions: hyperparameters, scores by head, evidence.

    Where both were validated on the same folds, the difference of their scores has a 95 % interval.
    """
    from branchsweep.runtime import write_file
    from branchsweep.workflows.records.trial_diff import compare_trials

    if output is not None:
        require_page_path(output)
    compared = compare_trials(_open(first, tracking_uri), _open(second, tracking_uri))
    if output is not None:
        from branchsweep.reporting.pages.diff_page import render_diff_page

        write_file(output, render_diff_page(compared))
        LiteralConsole(stderr=True).print(f"{output} written", highlight=False, soft_wrap=True)
    if as_json:
        print_json(compared.to_json())
    else:
        from branchsweep.reporting.text.trial_diff import render_trial_diff

        OutputConsole().print(render_trial_diff(compared, every=every))


def _open(named: str, tracking_uri: Address | None) -> ComparedTrial:
    """What a user names, from its record.

    Raises:
        UserError: There is no such trial or version.
    """
    from branchsweep.tracking.open import open_recorded_sweep, open_recorded_trial

    if version := _VERSION.fullmatch(named):
        return _open_version(version["model"], version["alias"] or int(version["version"]), tracking_uri)
    if trial := _TRIAL.fullmatch(named):
        return _compared(open_recorded_sweep(tracking_uri, trial["sweep"]), int(trial["number"]))
    return _compared(*open_recorded_trial(tracking_uri, named, OTHERWISE))


def _compared(recorded: SweepReader, number: int) -> ComparedTrial:
    from branchsweep.workflows.records.compared_trial import ComparedTrial

    experiment, result = read_recorded_trial(recorded, number)
    return ComparedTrial(
        name=f"{recorded.record.name}:{number}",
        sweep_id=recorded.run_id,
        run_id=recorded.run_ids[number],
        record=recorded.record,
        experiment=experiment,
        result=result,
        summary=_summary(recorded),
    )


def _summary(recorded: SweepReader) -> SweepSummary | None:
    """What a sweep finished with; None for one that has not, or whose summary cannot be read: it is not what is asked for."""
    from branchsweep.workflows.records.sweep_summary import SweepSummary

    try:
        return SweepSummary.loads(recorded.conclusion.summary) if recorded.conclusion else None
    except UnreadableRecordError:
        return None


def _open_version(model: str, which: str | int, tracking_uri: Address | None) -> ComparedTrial:
    """The trial of a registered version.

    Args:
        model: The registered model's name.
        which: Its alias or number.
        tracking_uri: The store.
    """
    from dataclasses import replace

    from branchsweep.tracking.open import open_recorded_sweep, open_registry

    versions = open_registry(tracking_uri).history(model).versions
    version = next((found for found in versions if which == found.version or which in found.aliases), None)
    if version is None:
        aliases = [alias for found in versions for alias in found.aliases]
        known = ", ".join([*(f"{model}@{alias}" for alias in aliases), *(f"models:/{model}/{v.version}" for v in versions)])
        hint = did_you_mean(which, aliases) if isinstance(which, str) else ""
        raise UserError(f"got {'alias' if isinstance(which, str) else 'version'} '{which}' of {model}; there are {known}{hint}")
    name = f"{model} version {version.version}"
    if not version.sweep or version.trial < 0:
        raise UserError(f"{name} was not registered by branchsweep, so there is no trial to compare")
    try:
        recorded = open_recorded_sweep(tracking_uri, version.sweep)
    except TrackingError as error:
        message = f"{name} was made of trial {version.trial} of the sweep {version.sweep[:8]}, which cannot be read: {error}"
        raise UserError(message) from error
    return replace(_compared(recorded, version.trial), name=name, version=version)
