"""Text of the user is shown literally, whatever it holds: no markup of Markdown or HTML in it takes effect."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from branchsweep.reporting.escaping import escape_markdown, one_line
from properties import quick

HOSTILE = [
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "![p](http://127.0.0.1:1/u.png)",
    "[x](javascript:alert(1))",
    "a|b\n\n# heading\n- item",
    "`code` **bold** __bold__ ~~gone~~",
    "&lt;b&gt; &#124; $$x$$",
    "c\u2028\u2029\x85d",
    "1. first",
    "- item",
    "+ item",
    "===",
    "---",
    "    indented",
    "> quoted",
    "<http://a.example>",
    "\\",
]

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("<>&|[]()!`*_~#-+=.1$\\ \n:\"'") | st.sampled_from(HOSTILE)

PLACES = [
    ("{}", "p"),
    ("before {} after", "p"),
    ("**{}**", "strong"),
    ("- {}", "li"),
    ("# {}", "h1"),
    ("| {} | b |\n|---|---|\n| c | d |", "th"),
    ("| a | b |\n|---|---|\n| {} | d |", "td"),
]
"""Where text of the user stands, and the element that then holds it."""

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.mark.parametrize(("place", "element"), PLACES)
@quick
@given(texts)
def test_markdown_shows_the_text_itself(place: str, element: str, text: str) -> None:
    shown = one_line(text)
    if not shown:
        return
    rendered = PARSER.render(place.format(escape_markdown(text)))
    found = re.search(rf"<{element}(?: [^>]*)?>(.*?)</{element}>", rendered, re.DOTALL)
    assert found, rendered
    expected = place.format(shown) if element == "p" else shown
    assert html.unescape(found[1]) == expected
    without_text = PARSER.render(place.format("x"))
    assert re.findall(r"<(\w+)", rendered) == re.findall(r"<(\w+)", without_text)


@quick
@given(texts)
def test_text_is_one_line_without_control_characters(text: str) -> None:
    assert all(character.isprintable() for character in one_line(text))
