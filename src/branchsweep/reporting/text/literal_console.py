"""A console that shows text of the user literally: names, units and paths may be any text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from branchsweep.errors import CONTROL, escape_controls

LINE_BREAK = "\n"


class LiteralConsole(Console):
    r"""A console that writes control characters of texts as escapes, `\x1b`, and `[red]` or `:warning:` as they are.

    Line breaks stay, since texts of several lines have them, and so do the controls by which Rich itself colours a terminal.

    Args:
        options: Those of Rich.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string, such as a cell of a table."""
        return super().render_str(escape_controls(text, keep=LINE_BREAK), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render what is printed, and whatever it consists of."""
        return super().render(_literal(renderable) if isinstance(renderable, Text) else renderable, options)


def _literal(text: Text) -> Text:
    """The text with escapes, in its styles."""
    cuts = sorted({place for found in CONTROL.finditer(text.plain) if found[0] != LINE_BREAK for place in found.span()})
    if not cuts:
        return text
    pieces = [(piece, escape_controls(piece.plain, keep=LINE_BREAK)) for piece in text.divide(cuts)]
    for piece, escaped in pieces:
        piece.plain = escaped
    return text.blank_copy().join(piece for piece, _ in pieces)
