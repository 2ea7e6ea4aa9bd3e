"""A password in an address is in no output, no file and no command line, whichever command is given the address."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes import run_python

MARK = "MARKEDsecret"

ADDRESSES = (
    f"postgresql://bob:{MARK}@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=bob&password={MARK}",
    f"http://bob:{MARK}@127.0.0.1:1",
    f"http://bob:P@{MARK}@127.0.0.1:1",
    f"http://{MARK}@127.0.0.1:1",
    f"htp://bob:{MARK}@127.0.0.1:1",
    f"file://bob:{MARK}@127.0.0.1:1",
)
"""Nothing answers at any of them."""

COMMANDS = (
    ("show",),
    ("show", "tiny", "1"),
    ("history", "plant"),
    ("rollback", "plant"),
    ("report", "tiny"),
    ("promote", "tiny"),
    ("replay", "abcdef"),
    ("ui", "--no-open"),
    ("export-study", "tiny", "--storage", f"postgresql://bob:{MARK}@127.0.0.1:1/db"),
    ("predict", "models:/plant@champion", "t.csv", "-o", "p.csv"),
)

RUN = """
import io, sys
from contextlib import redirect_stderr, redirect_stdout
from branchsweep.cli import main
for line in sys.argv[1:]:
    sys.argv = ["branchsweep", *line.split()]
    try:
        main()
    except SystemExit as end:
        print("EXIT", end.code)
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0] + "-" * (len(command) > 2) + command[-1][:1])
def test_no_command_shows_the_password_of_an_address(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    lines = [" ".join((*command, "--tracking-uri", address)) for address in ADDRESSES]
    done = run_python(RUN, *lines, cwd=tmp_path)
    output = done.stdout + done.stderr
    assert MARK not in output
    assert "Traceback" not in output
    assert done.stdout.count("EXIT 2") == len(ADDRESSES), output
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or MARK.encode() not in file.read_bytes()
