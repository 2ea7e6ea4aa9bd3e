"""How pictures are made, whatever they show: panels, colours, and the way out as SVG or PNG. The one address of matplotlib.

A picture is a `matplotlib.figure.Figure`: a value of its own, without pyplot, a current figure, or a backend. It is drawn in
`INK` and `PAPER`. In a page those two are the page's own (see `svg`), so that one picture serves a light theme, a dark one, and
a printer; in a PNG they are a dark grey on white.

One unit is one CSS pixel of a page: `axes(720, 300)` is 720 pixels wide where there is room, and its words are as large as
those around it. What is small or far apart is said in the same unit: font sizes, line widths, markers.

`PALETTE` is Okabe and Ito's (2008), told apart by the colour-blind, each as dark or light as it must be to have a contrast of
at least 3:1 on white and on the dark page (WCAG 2.2, 1.4.11 for graphics). Colour says nothing alone: what differs in it also
differs in its marker, its place or its words.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "INK",
    "MARKERS",
    "OCHRE",
    "PALETTE",
    "PAPER",
    "PURPLE",
    "SMALL",
    "TEXT",
    "VERMILLION",
    "Axes",
    "Figure",
    "axes",
    "note",
    "panels",
    "png",
    "svg",
    "title",
]

INK = "#1b1f24"
"""Words, axes and grids: the reader's text colour in a page."""

PAPER = "#fefefd"
"""What lies behind: the page's own background in a page. For markers that are hollow and still cover a line."""

BLUE, VERMILLION, GREEN, PURPLE, OCHRE, GREY = "#2a7fc4", "#d55e00", "#00936b", "#c068a0", "#a97b00", "#7d858f"

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, OCHRE)
"""For things of one kind, in order; `GREY` is for what stays in the background."""

MARKERS = ("o", "s", "D", "^", "v")
"""Beside the palette, so that nothing is told by its colour alone."""

TEXT = 13.5
"""Font size, in pixels."""

SMALL = 12.0
"""Font size of ticks and remarks, in pixels."""

FAMILY = "system-ui, sans-serif"
"""The page's; matplotlib measures with its own, which is wider than most."""

GAP = 8.0
"""Around each panel with its words, in pixels."""

UNITS_PER_INCH = 72
"""matplotlib's SVG has 72 units per inch of a figure, and one per point of a font."""

PIXELS_PER_UNIT = 2
"""In a PNG, for screens that are sharp."""


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one panel.

    Args:
        width: In pixels.
        height: In pixels.
    """
    figure, [only] = panels(width, height)
    return figure, only


def panels(
    width: float, height: float, count: int = 1, columns: int = 1, *, share_x: bool = False, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with several panels, row by row.

    Args:
        width: Of the figure, in pixels.
        height: Of the figure, in pixels.
        count: How many panels.
        columns: Beside each other.
        share_x: Whether all panels have the same horizontal scale.
        share_y: Whether all panels have the same vertical scale; its ticks are then said once a row.
    """
    layout = ConstrainedLayoutEngine(w_pad=GAP / UNITS_PER_INCH, h_pad=GAP / UNITS_PER_INCH)
    figure = Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), dpi=UNITS_PER_INCH, layout=layout)
    figure.patch.set_alpha(0)
    rows = -(-count // columns)
    made: list[Axes] = []
    for place in range(count):
        with_x, with_y = (made[0] if share and made else None for share in (share_x, share_y))
        panel = figure.add_subplot(rows, columns, place + 1, sharex=with_x, sharey=with_y)
        _plain(panel)
        if share_y and place % columns:
            panel.tick_params(axis="y", labelleft=False)
        made.append(panel)
    return figure, made


def _plain(panel: Axes) -> None:
    """Nothing but a base line, quiet ticks and a faint grid."""
    panel.patch.set_alpha(0)
    for side, spine in panel.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
        spine.set_alpha(0.5)
        spine.set_linewidth(1)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", length=0, labelsize=SMALL, labelcolor=INK, pad=5)
    panel.grid(visible=True, color=INK, alpha=0.12, linewidth=1)
    for words in (panel.xaxis.label, panel.yaxis.label):
        words.set_color(INK)
        words.set_fontsize(SMALL)
    panel.xaxis.labelpad = 7


def title(panel: Axes, words: str) -> None:
    """A panel's name, above its left end."""
    panel.set_title(words, loc="left", fontsize=TEXT, fontweight="bold", color=INK, pad=9)


def note(panel: Axes, x: float, y: float, words: str, *, beside: tuple[float, float] = (0, 0), **how: Any) -> None:
    """Words at a point of the panel's own scales, or so many pixels to the right of it and above.

    `how` are matplotlib's keywords for text: `ha`, `va`, `color`, `fontweight`, ….
    """
    style = {"fontsize": SMALL, "color": INK, "va": "center", "parse_math": False, **how}
    panel.annotate(words, (x, y), beside, textcoords="offset points", annotation_clip=False, **style)


def svg(figure: Figure, label: str = "") -> str:
    """A figure as an SVG element for a page: it has the page's ink, paper and font, and asks for nothing from outside.

    It is the same to the last character whenever it is made: no date, and names inside it come from what is drawn. Several may
    stand in one page, for a name that one of them refers to is its own.

    Args:
        figure: The picture.
        label: What it shows, for who cannot see it.
    """
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "branchsweep", "font.family": "sans-serif"}):
        _save(_settled(figure), drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    element = drawn.getvalue()
    element = element[element.index("<svg") :].strip()
    element = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", element, flags=re.DOTALL)
    element = re.sub(r"<style.*?</style>", "", element, flags=re.DOTALL)  # it speaks of every element of a page
    element = _named(element)
    for colour, theme in ((INK, "currentColor"), ("#000000", "currentColor"), (PAPER, "var(--paper, Canvas)")):
        element = element.replace(colour, theme)
    element = re.sub(r'(font:[^;"]*?px|font-family:) [^;"]*', rf"\1 {FAMILY}", element)
    element = re.sub(r"\n\s*\n", "\n", element)
    width, height = (round(inches * UNITS_PER_INCH) for inches in figure.get_size_inches())
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{_attribute(label)}" '
        'style="fill: currentColor; stroke-linejoin: round; stroke-linecap: butt">'
    )
    return opening + element[element.index(">") + 1 :]


def png(figure: Figure) -> bytes:
    """A figure as a PNG on white, for who keeps files."""
    drawn = io.BytesIO()
    with mpl.rc_context({"font.family": "sans-serif"}):
        dots = UNITS_PER_INCH * PIXELS_PER_UNIT
        _save(_settled(figure), drawn, format="png", facecolor="white", dpi=dots, metadata={"Software": None})
    return drawn.getvalue()


_save = cast("Callable[..., None]", Figure.savefig)
"""Its keywords are the formats', so it has no types for them."""


def _settled(figure: Figure) -> Figure:
    """The figure with its panels in their places for good: the next layout would begin where this one ended, a hair beside."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):  # else it is settled, for another format
        for _ in range(2):  # labels depend on the size of their panel, and that on the labels
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _named(element: str) -> str:
    """Names only where something refers to them, and only this element's."""
    referred = set(re.findall(r'"#([^"]+)"|url\(#([^)]+)\)', element))
    names = {name for pair in referred for name in pair if name}
    own = hashlib.sha256(element.encode()).hexdigest()[:8]

    def rename(found: re.Match[str]) -> str:
        return f' id="{found[1]}-{own}"' if found[1] in names else ""

    element = re.sub(r' id="([^"]+)"', rename, element)
    return re.sub(r'("#|url\(#)([^")]+)', rf"\1\2-{own}", element)


def _attribute(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
