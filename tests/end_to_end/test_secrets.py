"""A password in an address is in no output, no file and no command line, whichever command is given the address."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from branchsweep.config.addresses import Address
from branchsweep.tracking.open import open_tracking, outbox_folder
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from processes import start_python
from recorded_runs import client_of
from tiny_sweep import tiny_experiment

MARK = "MARKEDsecret"

ADDRESSES = (
    f"postgresql://bob:{MARK}@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=bob&password={MARK}",
    f"http://bob:{MARK}@127.0.0.1:1",
    f"http://bob:P@{MARK}@127.0.0.1:1",
    f"http://{MARK}@127.0.0.1:1",
    f"htp://bob:{MARK}@127.0.0.1:1",
    f"file://bob:{MARK}@127.0.0.1:1",
    f"http:/bob:{MARK}@127.0.0.1:1",
    f"bob:{MARK}@127.0.0.1:1",
    f"sqlite+pysqlcipher://:{MARK}@/x.db",
)
"""Nothing answers at any of them."""

COMMANDS = (
    "run tiny.yaml",
    "compare compared.yaml",
    "show",
    "show tiny 1",
    "history plant",
    "rollback plant",
    "report tiny",
    "promote tiny",
    f"promote tiny --workers ray://bob:{MARK}@127.0.0.1:1",
    "replay abcdef",
    "ui --no-open",
    f"export-study tiny --storage postgresql://bob:{MARK}@127.0.0.1:1/db",
    "predict models:/plant@champion t.csv -o p.csv",
    "export models:/plant@champion --format keras -o p.keras",
)

RUN = """
import os, shlex, sys
from branchsweep.cli import main
for line in sys.stdin.read().splitlines():
    words = shlex.split(line)
    variables = dict(word.split("=", 1) for word in words[:words.index("branchsweep")])
    os.environ.update(variables)
    sys.argv = words[len(variables):]
    try:
        main()
    except SystemExit as end:
        print("EXIT", end.code or 0, line.replace("{mark}", ""))
    for name in variables:
        del os.environ[name]
""".replace("{mark}", MARK)
"""Runs the commands on the lines of its input, one after the other: imports take longer than all of them."""

EXPERIMENT = {
    "name": "tiny",
    "table": {"source": "t.csv", "inputs": ["a", "b"]},
    "heads": {"PE": {"unit": "MW"}},
    "space": {"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 4}}},
    "search": {"driver": "random", "trials": 2},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table and experiments on it, on the published table, and on the workers of a cluster."""
    (tmp_path / "t.csv").write_text("a,b,PE\n" + "1,2,3\n2,3,4\n4,4,8\n" * 30, encoding="utf-8")
    changes: Mapping[str, Mapping[str, object]] = {"tiny": {}, "ray": {"workers": {"kind": "ray"}}, "ccpp": {"table": "ccpp"}}
    for name, changed in changes.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps({**EXPERIMENT, **changed}), encoding="utf-8")
    contestants = {"branched": {"kind": "network"}, "linear": {"kind": "estimator", "estimator": "linear_regression"}}
    comparison = {"name": "compared", "experiment": "tiny.yaml", "contestants": contestants}
    (tmp_path / "compared.yaml").write_text(json.dumps(comparison), encoding="utf-8")
    return tmp_path


def run_lines(lines: Sequence[str], folder: Path) -> list[str]:
    """The exit codes of commands, which left the password neither in what they wrote nor in a file, and no traceback."""
    variables = {"BRANCHSWEEP_CACHE": str(folder / "cache")}
    with start_python(RUN, cwd=folder, variables=variables) as process:
        out, err = process.communicate("\n".join(lines), timeout=300)
    assert MARK not in out + err
    assert "Traceback" not in err
    assert [file for file in folder.rglob("*") if file.is_file() and MARK.encode() in file.read_bytes()] == []
    codes = [line.split()[1] for line in out.splitlines() if line.startswith("EXIT ")]
    assert len(codes) == len(lines), out + err
    return codes


@pytest.mark.slow
def test_no_command_shows_the_password_of_an_address(folder: Path) -> None:
    lines = [f"branchsweep {command} --tracking-uri {shlex.quote(address)}" for command in COMMANDS for address in ADDRESSES]
    assert set(run_lines(lines, folder)) == {"2"}


def test_no_command_shows_the_password_of_an_address_elsewhere(folder: Path) -> None:
    lines = [
        f"MLFLOW_TRACKING_URI=http://bob:{MARK}@127.0.0.1:1 branchsweep run tiny.yaml",
        f"branchsweep run tiny.yaml --data https://bob:{MARK}@127.0.0.1:1/t.csv",
        f"branchsweep run tiny.yaml --set table.source=https://bob:{MARK}@127.0.0.1:1/t.csv",
        f"branchsweep run tiny.yaml --workers ray://bob:{MARK}@127.0.0.1:1",
        f"branchsweep run ray.yaml --set workers.address=ray://bob:{MARK}@127.0.0.1:1",
        f"RAY_ADDRESS=ray://bob:{MARK}@127.0.0.1:1 branchsweep run ray.yaml",
        f"BRANCHSWEEP_CCPP_URL=http://bob:{MARK}@127.0.0.1:1/x.zip branchsweep data ccpp.yaml --require-real",
        f"BRANCHSWEEP_CCPP_URL='http://127.0.0.1:1/x.zip?X-Signature={MARK}' branchsweep data ccpp.yaml --require-real",
        f"BRANCHSWEEP_CCPP=http://bob:{MARK}@127.0.0.1:1/x.xlsx branchsweep data ccpp.yaml --require-real",
    ]
    assert run_lines(lines, folder) == ["2"] * len(lines)


def test_nothing_that_a_server_records_or_is_kept_for_it_has_the_password(
    mlflow_server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes any password. A sweep is recorded, kept in the outbox, read and exported under such an address."""
    monkeypatch.setenv("BRANCHSWEEP_CACHE", str(folder / "cache"))
    address = Address(mlflow_server.replace("://", f"://bob:{MARK}@"))
    messages: list[str] = []
    experiment = tiny_experiment(name=f"secret-{uuid4().hex[:8]}")
    record = sweep_record(uuid4().hex, name=experiment.name, yaml=experiment.model_dump_json())
    with open_tracking(record, address, False, False, messages.append) as tracking:
        tracking.tracker.record([example_result(0)])
        run_id = tracking.tracker.run_id
        kept = [file.read_text() for file in outbox_folder(run_id).rglob("*.json")]
    commands = (f"show {record.name}", f"show {record.name} --json", f"export-study {record.name} --storage sqlite:///study.db")
    lines = [f"MLFLOW_TRACKING_URI={address.with_secrets()} branchsweep {command}" for command in commands]
    assert run_lines(lines, folder) == ["0"] * len(lines)
    client = client_of(address)
    runs = client.search_runs([client.get_run(run_id).info.experiment_id])
    files = Path(client.download_artifacts(run_id, "", str(folder)))
    contents = [file.read_text(errors="replace") for file in files.rglob("*") if file.is_file()]
    assert len(runs) == 2 and contents
    assert not [text for text in (str([run.to_dictionary() for run in runs]), *contents, *kept, *messages) if MARK in text]
