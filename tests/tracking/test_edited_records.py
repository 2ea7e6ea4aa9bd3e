"""Records that were edited or deleted by hand: named by run and tag, and the other sweeps are still listed."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from branchsweep.cli import main
from branchsweep.config.addresses import Address
from branchsweep.errors import UnreadableRecordError
from branchsweep.tracking.champion_history import lost_alias_message
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.registry import open_registry
from branchsweep.tracking.mlflow.test_audit import MlflowTestAudit
from branchsweep.tracking.open import list_sweeps, open_recorded_sweep
from fixtures.old_store import ARCHIVE, unpack

BROKEN = ["x", "", "[]", '{"a": 1}', "1e999", "nan", None]
"""Values of a tag; None deletes it."""


class EditedStore:
    """A store with a finished sweep, a trial of it, a comparison and a registered model.

    Args:
        database: Its file.
    """

    def __init__(self, database: Path) -> None:
        self.database, self.uri, self.model = database, f"sqlite:///{database}", "finished"
        (self.sweep,) = self.select("SELECT run_uuid FROM runs WHERE name = 'finished'")
        (self.comparison,) = self.select("SELECT run_uuid FROM tags WHERE key = 'branchsweep.role' AND value = 'comparison'")
        trials = "SELECT run_uuid FROM tags WHERE key = 'branchsweep.sweep' AND value = ?"
        query = f"SELECT run_uuid FROM tags WHERE key = 'branchsweep.status' AND value = 'COMPLETE' AND run_uuid IN ({trials})"
        self.trial, *_ = self.select(query, self.sweep)

    def select(self, query: str, *values: str) -> list[str]:
        """The first column of a query's rows."""
        with closing(sqlite3.connect(self.database)) as connection:
            return [value for (value,) in connection.execute(query, values)]

    def change(self, query: str, *values: object) -> None:
        """Change the database."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(query, values)

    @contextmanager
    def edited(self, table: str, key: str, value: str | None, run: str = "") -> Iterator[None]:
        """The store with another value of a tag, for as long as the context is open."""
        where, which = ("run_uuid = ? AND key = ?", (run, key)) if run else ("key = ?", (key,))
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute(f"SELECT * FROM {table} WHERE {where}", which).fetchall()
        assert rows, key
        try:
            if value is None:
                self.change(f"DELETE FROM {table} WHERE {where}", *which)
            else:
                self.change(f"UPDATE {table} SET value = ? WHERE {where}", value, *which)
            yield
        finally:
            self.change(f"DELETE FROM {table} WHERE {where}", *which)
            for row in rows:
                self.change(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", *row)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["branchsweep", *arguments, "--tracking-uri", self.uri])
            with pytest.raises(SystemExit) as ended:
                main()
        return int(ended.value.code or 0), " ".join(f"{out.getvalue()} {err.getvalue()}".split())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EditedStore:
    return EditedStore(unpack(ARCHIVE, tmp_path_factory.mktemp("edited") / "store"))


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("tag", ["key", "heads", "objective", "data_digest", "test_digest", "summary", "role", "view"])
def test_whatever_a_tag_of_a_sweep_holds_the_other_sweeps_are_listed(store: EditedStore, tag: str, value: str | None) -> None:
    with store.edited("tags", f"branchsweep.{tag}", value, store.sweep):
        assert "interrupted" in {sweep.name for sweep in list_sweeps(Address(store.uri))}
        code, output = store.run("show")
        assert code == 0 and "interrupted" in output
        for arguments in (["show", "finished"], ["show", "finished", "0"], ["show", "--json"]):
            assert store.run(*arguments)[0] in {0, 2}


@pytest.mark.parametrize(("tag", "value"), [("heads", "x"), ("heads", None), ("objective", "[]"), ("key", None)])
def test_a_sweep_that_cannot_be_read_is_named_with_its_tag(store: EditedStore, tag: str, value: str | None) -> None:
    with store.edited("tags", f"branchsweep.{tag}", value, store.sweep):
        code, output = store.run("show", "finished")
        assert code == 2
        assert store.sweep[:8] in output and f"branchsweep.{tag}" in output
        (listed,) = [sweep for sweep in list_sweeps(Address(store.uri)) if sweep.run_id == store.sweep]
        assert f"branchsweep.{tag}" in listed.problem
        assert f"branchsweep.{tag}" in store.run("show")[1]
        (as_json,) = [run for run in json.loads(store.run("show", "--json")[1])["sweeps"] if run["run_id"] == store.sweep]
        assert f"branchsweep.{tag}" in as_json["problem"]


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("tag", ["trial", "status", "params", "lanes", "lanes_r2"])
def test_a_trial_that_cannot_be_read_is_named_with_its_tag(store: EditedStore, tag: str, value: str | None) -> None:
    with store.edited("tags", f"branchsweep.{tag}", value, store.trial):
        code, output = store.run("show", "finished")
        if code:
            assert code == 2
            assert store.trial[:8] in output and f"branchsweep.{tag}" in output
        else:
            assert tag in {"params", "lanes_r2"}, "what can be read as a value of another kind is read"
        assert store.run("show")[0] == 0


@pytest.mark.parametrize("edit", [{"trunk.deepth": 3}, {"trunk.depth": "deep"}, {"trunk.depth": -5}, {"trunk.depth": True}])
def test_a_trial_with_params_that_this_version_does_not_know_is_named_with_them(
    store: EditedStore, edit: dict[str, object]
) -> None:
    """They were edited, or recorded by a newer version. What does not train the trial still shows it."""
    (name,) = edit
    (params,) = store.select("SELECT value FROM tags WHERE run_uuid = ? AND key = 'branchsweep.params'", store.trial)
    (number,) = store.select("SELECT value FROM tags WHERE run_uuid = ? AND key = 'branchsweep.trial'", store.trial)
    other = "1" if number == "0" else "0"
    trained = (["show", "finished", number], ["replay", store.trial], ["promote", "finished", "--trial", number])
    with store.edited("tags", "branchsweep.params", json.dumps({**json.loads(params), **edit}), store.trial):
        for arguments in (*trained, ["show", "finished", "--sort", "parameters"]):
            code, output = store.run(*arguments)
            assert code == 2, arguments
            assert output.count("error: ") == 1 and f"trial {number} of sweep finished ({store.sweep[:8]})" in output
            assert name in output
        for arguments in (["show"], ["show", "finished"], ["show", "finished", other]):
            assert store.run(*arguments)[0] == 0, arguments


def test_a_score_that_is_missing_is_named(store: EditedStore) -> None:
    (lanes,) = store.select("SELECT value FROM tags WHERE run_uuid = ? AND key = 'branchsweep.lanes_r2'", store.trial)
    head = next(iter(json.loads(lanes)))
    with (
        store.edited("latest_metrics", f"r2/{head}", None, store.trial),
        pytest.raises(UnreadableRecordError, match=rf"{store.trial[:8]}.*metric r2/{head}"),
    ):
        open_recorded_sweep(Address(store.uri), "finished").recorded_results()


@pytest.mark.parametrize("name", ["branchsweep.x:2", "branchsweep.x:y", "branchsweep.", "branchsweep.note"])
def test_tags_of_others_with_our_prefix_are_ignored(store: EditedStore, name: str) -> None:
    store.change("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, 'z')", store.sweep, name)
    try:
        assert store.run("show", "finished")[0] == 0
        assert store.run("show", "--json")[0] == 0
    finally:
        store.change("DELETE FROM tags WHERE run_uuid = ? AND key = ?", store.sweep, name)


@pytest.mark.parametrize("value", BROKEN)
def test_a_comparison_that_cannot_be_read_is_an_error(store: EditedStore, value: str | None) -> None:
    for tag in ("heads", "key", "answer"):
        with store.edited("tags", f"branchsweep.{tag}", value, store.comparison):
            assert store.run("show", "compared")[0] in {0, 2}
            assert store.run("show")[0] == 0


@pytest.mark.parametrize("value", BROKEN)
def test_versions_and_champions_that_cannot_be_read_are_named_in_the_history(store: EditedStore, value: str | None) -> None:
    for tag in ("trial", "value", "params"):
        with store.edited("model_version_tags", f"branchsweep.{tag}", value):
            (version,) = open_registry(Address(store.uri)).history(store.model).versions
            is_named = f"branchsweep.{tag}" in version.because
            assert is_named or value in {None, "nan", "1e999", '{"a": 1}'}
            assert store.run("history", store.model)[0] == 0
            assert (f"branchsweep.{tag}" in store.run("history", store.model, "--json")[1]) == is_named
    with store.edited("registered_model_tags", "branchsweep.reigned", value):
        history = open_registry(Address(store.uri)).history(store.model)
        assert [tenure.version for tenure in history.tenures] == [1]
        assert ("branchsweep.reigned" in history.problem) == (value not in {None, "[]"})
        assert store.run("history", store.model)[0] == 0
        code, output = store.run("rollback", store.model)
        assert code == 2 and "version 1" in output


def test_an_evaluation_that_cannot_be_read_counts_once(store: EditedStore) -> None:
    client = connect(Address(store.uri), create=False)
    digest = client.get_run(store.sweep).data.tags["branchsweep.test_digest"]
    with store.edited("tags", "branchsweep.meetings", "{", store.sweep):
        assert MlflowTestAudit(client, store.sweep).evaluations(digest) >= 1


def test_a_report_whose_files_were_edited_names_the_file(store: EditedStore, tmp_path: Path) -> None:
    for name, content in (("predictions.csv", b"a,b\n1,2\n"), ("learning_curves.csv", b"x\n1\n"), ("data.json", b"\xff")):
        (file,) = [path for path in store.database.parent.rglob(name) if store.sweep in path.parts]
        before = file.read_bytes()
        file.write_bytes(content)
        try:
            code, output = store.run("report", "finished", "-o", str(tmp_path / "report.html"))
        finally:
            file.write_bytes(before)
        assert code == 2
        assert name in output
        assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"", b"[]", b"{}", b'{"inputs": 1, "provenance": []}', b'{"input_scalers": {"x": {"kind": "nothing"}}}'],
)
def test_a_registered_model_whose_description_was_edited_is_named(store: EditedStore, tmp_path: Path, content: bytes) -> None:
    (file,) = store.database.parent.rglob("serving.json")
    before = file.read_bytes()
    champion = f"models:/{store.model}@champion"
    commands = {
        "net.py": ("export", champion, "--format", "code"),
        "net.keras": ("export", champion, "--format", "keras"),
        "p.csv": ("predict", champion, str(store.database.parent / "table.csv")),
    }
    file.write_bytes(content)
    try:
        for name, command in commands.items():
            code, output = store.run(*command, "-o", str(tmp_path / name))
            assert code == 2
            assert champion in output
    finally:
        file.write_bytes(before)
    assert not list(tmp_path.iterdir())


def test_an_alias_that_names_no_version_is_no_reason_to_try_again(store: EditedStore) -> None:
    store.change("UPDATE registered_model_aliases SET version = -1")
    try:
        code, output = store.run("export", f"models:/{store.model}@champion", "--format", "code", "-o", "net.py")
    finally:
        store.change("UPDATE registered_model_aliases SET version = 1")
    assert code == 2
    assert "'-1'" in output and "edited" in output


def test_all_commands_say_the_same_of_an_alias_on_a_version_that_does_not_exist(store: EditedStore, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    store.change("UPDATE registered_model_aliases SET version = 99 WHERE alias = 'champion'")
    try:
        sentence = lost_alias_message(store.model, "champion", 99).partition("(")[0].removeprefix("the ")
        said = [
            store.run("history", store.model),
            store.run("rollback", store.model),
            store.run("predict", f"models:/{store.model}@champion", str(table), "-o", str(tmp_path / "out.csv")),
        ]
        assert [code for code, _ in said] == [0, 2, 2]
        assert all(sentence in output for _, output in said), said
        assert open_registry(Address(store.uri)).champion(store.model) is None, "a promotion counts it as no champion"
        code, output = store.run("predict", f"models:/{store.model}@nobody", str(table), "-o", str(tmp_path / "out.csv"))
        assert code == 2 and "@champion" not in output.partition("there are")[2]
    finally:
        store.change("UPDATE registered_model_aliases SET version = 1 WHERE alias = 'champion'")
