"""The look of all figures: panels, colours, text, and their output as SVG or PNG with matplotlib.

A figure is a `matplotlib.figure.Figure`, without pyplot and without a current figure. It is drawn in `INK` and `PAPER`. In a
page these two become the page's own colours (see `svg`), so that one figure serves light theme, dark theme and print; in a PNG
they are dark grey on white.

The unit of all sizes (figures, fonts, lines, markers) is a CSS pixel of a page: `axes(720, 300)` is 720 pixels wide, and its
text is as large as that of the page.

`PALETTE` is that of Okabe and Ito (2008) for colour-blind readers, with lightness changed to a contrast of at least 3:1 on
white and on the dark page (WCAG 2.2, 1.4.11 for graphics). Whatever differs in colour also differs in marker, position or
label.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from PIL import Image

from branchsweep.errors import CONTROL, escape_controls

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
"""Colour of text, axes and grids; in a page its text colour."""

PAPER = "#fefefd"
"""Background colour; in a page its background. Fills hollow markers that cover a line."""

BLUE, VERMILLION, GREEN, PURPLE, OCHRE, GREY = "#2a7fc4", "#d55e00", "#00936b", "#c068a0", "#a97b00", "#7d858f"

PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, OCHRE)
"""Colours of series, in order; `GREY` is for the background."""

MARKERS = ("o", "s", "D", "^", "v")
"""Markers of series, in order, so that series do not differ by colour alone."""

TEXT = 13.5
"""Font size, in pixels."""

SMALL = 12.0
"""Font size of ticks and annotations, in pixels."""

FAMILY = "system-ui, sans-serif"
"""Font of the page; matplotlib lays out with its own, which is wider than most."""

GAP = 8.0
"""Padding around each panel with its labels, in pixels."""

UNITS_PER_INCH = 72
"""Units of matplotlib's SVG per inch of a figure; one unit is one point of a font."""

PIXELS_PER_UNIT = 2
"""Resolution of a PNG, for high-density screens."""


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one panel.

    Args:
        width: In pixels.
        height: In pixels.
    """
    figure, [only] = panels(width, height)
    return figure, only


def panels(
    width: float, height: float, count: int = 1, columns: int = 1, *, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with several panels, row by row.

    Args:
        width: Of the figure, in pixels.
        height: Of the figure, in pixels.
        count: How many panels.
        columns: Panels per row.
        share_y: Whether all panels have the same vertical scale; its ticks are then labelled once per row.
    """
    layout = ConstrainedLayoutEngine(w_pad=GAP / UNITS_PER_INCH, h_pad=GAP / UNITS_PER_INCH)
    figure = Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), dpi=UNITS_PER_INCH, layout=layout)
    figure.patch.set_alpha(0)
    rows = -(-count // columns)
    panel_axes: list[Axes] = []
    for index in range(count):
        panel = figure.add_subplot(rows, columns, index + 1, sharey=panel_axes[0] if share_y and panel_axes else None)
        _apply_style(panel)
        if share_y and index % columns:
            panel.tick_params(axis="y", labelleft=False)
        panel_axes.append(panel)
    return figure, panel_axes


def _apply_style(panel: Axes) -> None:
    """A base line, labels without tick marks, and a faint grid."""
    panel.patch.set_alpha(0)
    for side, spine in panel.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
        spine.set_alpha(0.5)
        spine.set_linewidth(1)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", length=0, labelsize=SMALL, labelcolor=INK, pad=5)
    panel.grid(visible=True, color=INK, alpha=0.12, linewidth=1)
    for label in (panel.xaxis.label, panel.yaxis.label):
        label.set_color(INK)
        label.set_fontsize(SMALL)
    panel.xaxis.labelpad = 7


def title(panel: Axes, text: str) -> None:
    """Set the title of a panel, left-aligned above it."""
    panel.set_title(text, loc="left", fontsize=TEXT, fontweight="bold", color=INK, pad=9)


def note(panel: Axes, point: tuple[float, float], text: str, *, offset: tuple[float, float] = (0, 0), **style: Any) -> None:
    """Annotate a point of a panel.

    Args:
        panel: The panel.
        point: In data coordinates.
        text: The annotation.
        offset: Pixels to the right of the point and above it.
        style: Keywords of matplotlib's text: `ha`, `va`, `color`, `fontweight`, ….
    """
    style = {"fontsize": SMALL, "color": INK, "va": "center", **style}
    panel.annotate(text, point, offset, textcoords="offset points", annotation_clip=False, **style)


def svg(figure: Figure, label: str = "") -> str:
    """A figure as an inline SVG element of a page, in the page's colours and font.

    The output is deterministic: it has no date, and its ids derive from its content. Ids are unique to the figure, so that a
    page may hold several.

    Args:
        figure: The figure.
        label: Text alternative for screen readers.
    """
    drawn = io.StringIO()
    with _settings():
        _save(_with_final_layout(figure), drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    element = drawn.getvalue()
    element = element[element.index("<svg") :].strip()
    element = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", element, flags=re.DOTALL)
    element = re.sub(r"<style.*?</style>", "", element, flags=re.DOTALL)  # its rules would apply to the whole page
    element = _with_own_ids(element)
    for colour, theme in ((INK, "currentColor"), ("#000000", "currentColor"), (PAPER, "var(--paper, Canvas)")):
        element = element.replace(colour, theme)
    element = re.sub(r'(font:[^;"]*?px|font-family:) [^;"]*', rf"\1 {FAMILY}", element)
    element = re.sub(r"\n\s*\n", "\n", element)
    width, height = (round(inches * UNITS_PER_INCH) for inches in figure.get_size_inches())
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{html.escape(escape_controls(label))}" '
        'style="fill: currentColor; stroke-linejoin: round; stroke-linecap: butt">'
    )
    return opening + element[element.index(">") + 1 :]


def png(figure: Figure) -> bytes:
    """A figure as a PNG on white."""
    drawn = io.BytesIO()
    with _settings():
        dots = UNITS_PER_INCH * PIXELS_PER_UNIT
        _save(_with_final_layout(figure), drawn, format="png", facecolor="white", dpi=dots, metadata={"Software": None})
    return drawn.getvalue()


def in_page_width(picture: bytes) -> bytes:
    """A PNG that `png` made, with one pixel for each of a page."""
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as drawn:
        drawn.reduce(PIXELS_PER_UNIT).save(smaller, format="png", optimize=True)
    return smaller.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    """Context with settings of matplotlib, without its warnings of characters that its font lacks: a page has other fonts."""
    look = mpl.rc_context({"font.family": "sans-serif", "svg.fonttype": "none", "svg.hashsalt": "branchsweep"})
    with look, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively", UserWarning)
        yield


_save = cast("Callable[..., None]", Figure.savefig)
"""`Figure.savefig` without types: its keywords depend on the format."""


def _with_final_layout(figure: Figure) -> Figure:
    """The figure with its layout computed and fixed: another layout run would move its panels slightly."""
    _show_text_literally(figure)
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):  # else fixed already, for another format
        for _ in range(2):  # labels depend on the size of their panel, which depends on the labels
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _show_text_literally(figure: Figure) -> None:
    """Let matplotlib not read text between dollar signs as formulas, on which it may fail: units and names are the user's.

    Ticks of a logarithmic axis, which are powers of ten, stay formulas. Control characters, which
    no font has, are shown as escapes.
    """
    ticks: dict[bool, set[Text]] = {True: set(), False: set()}  # by whether their axis is logarithmic
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            ticks[axis.get_scale() == "log"] |= {*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)}
    for text in {*figure.findobj(Text), *ticks[False]} - ticks[True]:
        text.set_parse_math(False)
        if CONTROL.search(text.get_text()):  # ticks take no other text
            text.set_text(escape_controls(text.get_text(), keep="\n"))


def _with_own_ids(element: str) -> str:
    """Ids only where something refers to them, each with a suffix that is unique to this element."""
    referred = set(re.findall(r'"#([^"]+)"|url\(#([^)]+)\)', element))
    ids = {name for pair in referred for name in pair if name}
    suffix = hashlib.sha256(element.encode()).hexdigest()[:8]

    def rename(found: re.Match[str]) -> str:
        return f' id="{found[1]}-{suffix}"' if found[1] in ids else ""

    element = re.sub(r' id="([^"]+)"', rename, element)
    return re.sub(r'("#|url\(#)([^")]+)', rf"\1\2-{suffix}", element)
