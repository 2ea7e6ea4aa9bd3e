"""Fills Jinja templates, and puts figures on pages."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from branchsweep.reporting import formatting
from branchsweep.reporting.figures.plot_style import Figure, svg

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
        formatting.format_p_value,
        formatting.format_parameters,
        formatting.format_seconds,
        formatting.metric_label,
    )
}


def render_template(template: str, **values: object) -> str:
    """A page. Values are text: what is markup in them is shown, not obeyed.

    Args:
        template: Its name in `reporting/pages/templates`; it extends `layout.html`.
        values: What it names; one that is missing is an error.
    """
    return _TEMPLATES.get_template(template).render(values)


def figure_markup(figure: Figure, label: str) -> Markup:
    """A picture as a value for a template; see `plots.svg`."""
    return trusted_markup(svg(figure, label))  # matplotlib and `svg` escape every word in it


def trusted_markup(html: str) -> Markup:
    """HTML whose maker has escaped whatever stands in it."""
    return Markup(html)  # noqa: S704  # the caller's word for it
