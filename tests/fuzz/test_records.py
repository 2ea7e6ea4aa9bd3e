"""A recorded store, changed at random: what reads it ends in a result, or in one message that names the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from branchsweep.types import Floats
from branchsweep.workflows import session
from fakes import FormulaTrainer
from fuzz.commands import CODES, SECONDS, Ending, run_command, try_examples
from fuzz.records import Change, RecordedStore, changes, file_changes

DATABASE = "mlflow.db*"

INTERRUPTED = 130

POPULATIONS = 3
"""Populations that are trained before Ctrl-C: so many as a replay needs. A sweep that is resumed is read, and goes on, but does
not end, for that takes seconds."""

CHAMPION = "models:/finished@champion"

Command = tuple[str, ...]

READING: list[Command] = [
    ("show", "finished"),
    ("show", "finished", "--json"),
    ("show", "finished", "4"),
    ("show", "finished", "4", "--json"),
    ("show", "interrupted"),
    ("show", "compared"),
    ("show", "compared", "--json"),
    ("history", "finished"),
    ("history", "finished", "--json"),
    ("replay", "finished", "--trial", "4", "--json"),
]
"""Commands that write nothing."""

WRITING: list[tuple[Command, list[str]]] = [
    (("rollback", "finished"), [DATABASE]),
    (("run", "finished.yaml"), [DATABASE, "mlruns/*"]),
    (("run", "interrupted.yaml"), [DATABASE, "mlruns/*"]),
    (("promote", "finished", "--dry-run"), [DATABASE]),
    (("export", CHAMPION, "--format", "code", "-o", "net.py"), [DATABASE, "net.py"]),
    (("export-study", "finished", "--storage", "sqlite:///study.db"), [DATABASE, "study.db"]),
]
"""Commands with the patterns of the files that they may write where they succeed."""

SLOW: list[tuple[Command, list[str]]] = [
    (("report", "finished", "-o", "report.html"), [DATABASE, "report.html"]),
    (("export", CHAMPION, "--format", "keras", "-o", "net.keras"), [DATABASE, "net.keras", "serving.json", "encoder_*.py"]),
    (("predict", CHAMPION, "table.csv", "-o", "predicted.csv"), [DATABASE, "predicted.csv"]),
    (("predict", "models:/finished/1", "table.csv", "-o", "predicted.csv", "--warn"), [DATABASE, "predicted.csv"]),
]
"""The same, of commands that import Keras or draw."""

ALL = [*((command, [DATABASE]) for command in READING), *WRITING, *(SLOW if SECONDS else [])]


class InterruptedTrainer(FormulaTrainer):
    """A trainer by a formula, which has no network to predict with: Ctrl-C is pressed there."""

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Press Ctrl-C."""
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RecordedStore:
    return RecordedStore(tmp_path_factory.mktemp("records"))


@pytest.fixture(autouse=True)
def trained_by_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """What trains is not the subject: no processes are started."""

    @contextmanager
    def trainer(rows: Any, *_: Any) -> Iterator[tuple[InterruptedTrainer, Any]]:
        yield InterruptedTrainer(rows, interrupts_after=POPULATIONS), rows

    monkeypatch.setattr(session, "_trainer", trainer)


def check_commands(store: RecordedStore, changed: list[Change], commands: list[tuple[Command, list[str]]]) -> None:
    """All commands end as they should on a changed store, and the sweeps that are not changed are listed."""
    with store.changed(changed):
        run_command(store.folder, "show", written=[DATABASE])
        listed = run_command(store.folder, "show", "--json", written=[DATABASE])
        assert listed.code == 0, listed.err
        data = json.loads(listed.out)
        names = {entry["name"] for kind in ("sweeps", "comparisons") for entry in data[kind]}
        assert store.untouched(changed) <= names
    for command, written in commands:
        with store.changed(changed):
            codes = [*CODES, INTERRUPTED] if command[0] == "run" else CODES
            ending = run_command(store.folder, *command, written=written, codes=codes)
            if "--json" in command:
                assert is_json(ending)
            if ending.code == 2:
                left = [path for pattern in written for path in store.folder.glob(pattern) if not pattern.startswith("ml")]
                assert not left, "a file was left behind"


def is_json(ending: Ending) -> bool:
    """Whether what was printed is JSON, or nothing where the command failed."""
    if ending.code == 2:
        return not ending.out
    json.loads(ending.out)
    return True


def test_records_that_were_edited_are_read_or_named(store: RecordedStore) -> None:
    def check(example: tuple[list[Change], list[tuple[Command, list[str]]]]) -> None:
        check_commands(store, *example)

    commands = st.lists(st.sampled_from(ALL), min_size=2, max_size=4, unique_by=str)
    try_examples(st.tuples(changes(store), commands), check, 12)


def test_artifacts_that_were_edited_are_read_or_named(store: RecordedStore) -> None:
    def check(example: tuple[list[Change], tuple[Command, list[str]]]) -> None:
        changed, command = example
        check_commands(store, changed, [command])

    commands = st.sampled_from([*WRITING, *(SLOW if SECONDS else [])])
    try_examples(st.tuples(st.lists(file_changes(store), min_size=1, max_size=2), commands), check, 8)
