"""A recorded sweep that is worked on again: its experiment, its results and its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.table import POWER_PLANT_TABLE
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.errors import DataError, UserError
from branchsweep.tracking.protocols import SweepArchive, sweep_label
from branchsweep.workflows.records.replay_result import SHORT
from branchsweep.workflows.records.sweep_record import RecordedSweep
from branchsweep.workflows.session import Session, load_rows


def archive_label(recorded: SweepArchive) -> str:
    """What messages call a recorded sweep."""
    return sweep_label(recorded.sweep.name, recorded.run_id)


def recorded_sweep(recorded: SweepArchive) -> RecordedSweep:
    """The sweep with its experiment and results."""
    return RecordedSweep(recorded.run_id, recorded.sweep, recorded_experiment(recorded), recorded.recorded_results())


def recorded_experiment(recorded: SweepArchive) -> Experiment:
    """The experiment of a recorded sweep. Inputs that it only names are numbers: what else they are would be recorded."""
    experiment = parse_recorded_experiment(recorded.sweep.yaml, archive_label(recorded))
    return experiment.with_inputs({name: column.or_number for name, column in experiment.table.inputs.items()})


def load_recorded_rows(recorded: SweepArchive, experiment: Experiment, session: Session) -> tuple[Dataset, Split]:
    """The table of a recorded sweep and its split: from the session's table, else from where the sweep read it.

    Raises:
        UserError: The table is not there, or it or its split differs from that of the sweep.
    """
    table, label, source = recorded.sweep.table, archive_label(recorded), experiment.table.source
    if session.data is None and table.source == "file":
        if (location := Path(table.location)).is_file():
            session = replace(session, data=location)
        elif source != POWER_PLANT_TABLE and not Path(source).is_file():  # a record of an earlier version has a relative path
            message = f"the {label} read its table from {table.location}, and there is no such file now"
            raise DataError(f"{message}: give its present path with --data PATH")
    experiment = _with_present_test_table(experiment, session, label)
    dataset, split = load_rows(experiment, session)
    for part, before, digest in (("table", table.digest, dataset.digest), ("split", recorded.sweep.split_digest, split.digest)):
        if before != digest:
            digests = f"digest {digest[:SHORT]}, recorded: {before[:SHORT] or 'none'}"
            message = f"the {part} of {dataset.location} differs from that of the {label} ({digests})"
            further = ", and that of its test rows with --test-data PATH" if dataset.test_table else ""
            raise UserError(f"{message}: give the table of the sweep with --data PATH{further}")
    return dataset, split


def _with_present_test_table(experiment: Experiment, session: Session, label: str) -> Experiment:
    """A recorded experiment with the path at which the table of its test rows is now, if they have one of their own.

    Raises:
        DataError: It is not where it was.
        UserError: A path is given, but the test rows are some of the experiment's table.
    """
    if experiment.test.path is None:
        if session.test_data is not None:
            raise UserError(f"the test rows of the {label} are some of its one table; leave the option out", "--test-data")
        return experiment
    if session.test_data is not None:
        return experiment.with_test_table(session.test_data)
    if not Path(experiment.test.path).is_file():
        message = f"the {label} read its test rows from {experiment.test.path}, and there is no such file now"
        raise DataError(f"{message}: give its present path with --test-data PATH")
    return experiment
