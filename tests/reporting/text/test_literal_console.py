"""Names and units of the user may be any text; what is printed has no control characters of it."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.errors import CONTROL
from branchsweep.reporting.text.layout import KeyValueTable, plain_table
from branchsweep.reporting.text.literal_console import LiteralConsole
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow
from branchsweep.reporting.text.score_table import ScoreRow, ScoreTable
from properties import quick

HOSTILE = ["${x}\x1b]0;t\x07", "\x1b[31mred", "a\u202eb", "two\nlines", "a\tb\rc\x9bd", "\ud800", "[red]x[/]", "\\["]

texts = st.text(max_size=12) | st.text("\x00\x07\t\n\r\x1b\x9b\u202e[]\\a ", max_size=12) | st.sampled_from(HOSTILE)


def printed(renderable: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    LiteralConsole(file=out, width=width, force_terminal=False).print(renderable)
    return out.getvalue()


def table_of(name: str) -> ResponsiveTable:
    return ResponsiveTable([TableColumn("column"), TableColumn("unit")], [TableRow((name, "MW")), TableRow(("T", name))])


@quick
@given(texts, st.sampled_from([20, 100]))
@example("\x1b[31m", 100)
def test_no_control_character_is_printed_wherever_a_name_stands(name: str, width: int) -> None:
    grid = plain_table(name)
    grid.add_column(name)
    grid.add_row(name, Text(name))
    scores = ScoreTable(name, [ScoreRow(name, {"": {name: name}})], [name], [""], {})
    everything = Group(
        name, Text(name), Text.assemble((name, "bold"), name), grid, table_of(name), scores, Panel(name, title=name)
    )
    assert not CONTROL.search(printed(everything, width).replace("\n", ""))
    assert not CONTROL.search(printed(KeyValueTable({name: name}), width).replace("\n", ""))


@quick
@given(texts)
def test_a_row_of_a_table_stays_one_line(name: str) -> None:
    assert len(printed(table_of(name), 200).splitlines()) == 3


@pytest.mark.parametrize("name", ["[red]x[/]", ":warning:", "\\[", "a [kW]", "[/]"])
def test_brackets_and_codes_are_shown_as_they_are(name: str) -> None:
    assert printed(name) == f"{name}\n"
    assert printed(KeyValueTable({"optimizer": name})).split(maxsplit=1)[1].strip() == name


def test_escapes_have_the_styles_of_their_text_and_rich_colours_a_terminal() -> None:
    out = io.StringIO()
    console = LiteralConsole(file=out, width=80, force_terminal=True, color_system="standard")
    console.print(Text.assemble(("a\x1bb", "red"), "\x1b[2Jc", ("d", "bold")))
    assert re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()) == "a\\x1bb\\x1b[2Jcd\n"
    assert "\x1b[31m" in out.getvalue() and "\x1b[1md\x1b[0m" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


def test_results_on_standard_output_are_literal_too(capsys: pytest.CaptureFixture[str]) -> None:
    OutputConsole(width=80).print(table_of("\x1b[31m"))
    assert "\\x1b[31m" in capsys.readouterr().out


@quick
@given(texts)
def test_json_has_escapes_of_its_own_and_the_same_value(text: str) -> None:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        print_json(json.dumps({"unit": text}, ensure_ascii=False, indent=2))
    assert json.loads(out.getvalue()) == {"unit": text}
    assert not CONTROL.search(out.getvalue().replace("\n", ""))
