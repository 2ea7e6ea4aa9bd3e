"""Renders Jinja templates, and embeds figures in them."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from branchsweep.reporting import formatting
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import Figure

_TEMPLATES = Environment(
    loader=PackageLoader("branchsweep.reporting.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

_TEMPLATES.filters |= {
    formatter.__name__: formatter
    for formatter in (
        formatting.format_bytes,
        formatting.format_difference,
        formatting.format_effect,
        formatting.format_milliseconds,
        formatting.format_p_cell,
        formatting.format_p_value,
        formatting.format_parameters,
        formatting.format_seconds,
        formatting.head_label,
    )
}


def render_template(template: str, **values: object) -> str:
    """Render a page.

    Args:
        template: File name of a template in `reporting/pages/templates` that extends `layout.html`.
        values: The variables of the template; markup in text is escaped.

    Raises:
        jinja2.UndefinedError: If a variable of the template is missing.
    """
    return _TEMPLATES.get_template(template).render(values)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as it is kept.

    Args:
        svg: For a page.
        png: As a file; empty where none is wanted.
    """

    svg: Markup
    png: bytes = b""


def picture(figure: Figure, label: str, as_file: bool = True) -> Picture:
    """A figure as a picture.

    Args:
        figure: The figure.
        label: What it shows, for those who cannot see it.
        as_file: Whether the PNG is wanted.
    """
    return Picture(figure_markup(figure, label), plot_style.png(figure) if as_file else b"")


def figure_markup(figure: Figure, label: str) -> Markup:
    """A figure as inline SVG for a template; see `plot_style.svg`."""
    return trusted_markup(plot_style.svg(figure, label))  # matplotlib and `svg` escape all text in it


def trusted_markup(html: str) -> Markup:
    """HTML that is embedded as it is; the caller has escaped all text in it."""
    return Markup(html)  # noqa: S704  # escaped by the caller
