"""Figures: drawn in the colours of the page, deterministic, readable in both themes; figures of comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.text import Text

from branchsweep.errors import CONTROL
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.comparison import figures as comparison_figures
from branchsweep.reporting.figures import plot_style
from branchsweep.reporting.figures.plot_style import Figure
from branchsweep.reporting.figures.trials import PointLabel, draw_labels
from comparison_examples import example_comparison, example_contestant, failed_contestant

FIGURES: tuple[Callable[[ComparisonResult], Figure], ...] = (
    comparison_figures.contestants,
    comparison_figures.transfer,
    comparison_figures.sharing,
    comparison_figures.costs,
)

LIGHT, DARK = "#ffffff", "#14181d"


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314  # our own
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("colour", [*plot_style.PALETTE, plot_style.GREY])
def test_colours_have_enough_contrast_in_both_themes(colour: str) -> None:
    for page in (LIGHT, DARK):
        dark, light = sorted((luminance(colour), luminance(page)))
        assert (light + 0.05) / (dark + 0.05) >= 3


@pytest.mark.parametrize("draw", FIGURES)
def test_svg_uses_the_colours_of_the_page(draw: Callable[[ComparisonResult], Figure]) -> None:
    result = example_comparison(("PE", "V", "RH"), others=[failed_contestant("wild", "diverged")])
    svg = plot_style.svg(draw(result), 'a "label" <here>')
    ET.fromstring(svg)  # noqa: S314  # our own
    assert "currentColor" in svg
    assert not any(colour in svg for colour in (plot_style.INK, plot_style.PAPER, "#000000", "#ffffff"))
    assert 'aria-label="a &quot;label&quot; &lt;here&gt;"' in svg
    assert "<style" not in svg and "<metadata" not in svg and "date" not in svg.lower()
    assert svg == plot_style.svg(draw(result), 'a "label" <here>')


def test_control_characters_are_escapes_in_figures_and_missing_characters_give_no_warning() -> None:
    figure, panel = plot_style.axes(400, 200)
    panel.set_xlabel("$x\x1b[31m\u202e 温度 \U0001f600")
    plot_style.note(panel, (0.5, 0.5), "\u0628\u0646 \x07")
    assert plot_style.png(figure)
    shown = texts(plot_style.svg(figure))
    assert any(text.startswith(r"$x\x1b[31m\u202e ") for text in shown)
    assert not any(CONTROL.search(text) for text in shown)


def test_svg_is_deterministic() -> None:
    figure = comparison_figures.contestants(example_comparison())
    assert plot_style.svg(figure) == plot_style.svg(figure)


def test_text_in_svg_is_text() -> None:
    labels = texts(plot_style.svg(comparison_figures.contestants(example_comparison())))
    assert {"PE", "V", "branched (reference)", "forest", "linear"} <= set(labels)


def test_ids_in_svg_are_unique_across_figures() -> None:
    ids = [
        name
        for draw in FIGURES
        for name in re.findall(r' id="([^"]*)"', plot_style.svg(draw(example_comparison())))
    ]  # fmt: skip
    assert len(set(ids)) == len(ids) > 0


def test_all_references_in_svg_have_a_target() -> None:
    svg = plot_style.svg(comparison_figures.costs(example_comparison()))
    referred = {quoted or in_url for quoted, in_url in re.findall(r'"#([^"]+)"|url\(#([^)]+)\)', svg)}
    assert referred == set(re.findall(r' id="([^"]*)"', svg))


def test_png_has_twice_the_pixels() -> None:
    png = plot_style.png(plot_style.axes(200, 100)[0])
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (400, 200)


def test_outlying_contestant_is_shown_as_a_number() -> None:
    outlier = example_contestant("linear", ("PE", "V"), 3)
    outlier = replace(
        outlier,
        name="outlier",
        scores={figure: tuple(score - 3.9 for score in scores) for figure, scores in outlier.scores.items()},
    )
    with_outlier = comparison_figures.contestants(example_comparison(names=("branched", "single"), others=[outlier]))
    without = comparison_figures.contestants(example_comparison(names=("branched", "single")))
    assert [panel.get_xlim() for panel in with_outlier.axes] == [panel.get_xlim() for panel in without.axes]
    outlier_labels = [label for label in texts(plot_style.svg(with_outlier)) if label.startswith("◀")]
    assert len(outlier_labels) == 3 and all(label.startswith("◀ -") for label in outlier_labels)


def test_axis_always_includes_the_reference() -> None:
    figure = comparison_figures.contestants(example_comparison(names=("linear", "forest", "chain")))
    low, high = figure.axes[1].get_xlim()
    linear, forest, _ = example_comparison(names=("linear", "forest", "chain")).contestants
    assert low < min(linear.scores["V"]) < max(forest.scores["V"]) < high


def test_interval_of_the_difference_is_drawn_around_the_contestants_mean() -> None:
    result = example_comparison(names=("branched", "single"))
    [difference] = [difference for difference in result.differences if difference.head == "PE"]
    panel = comparison_figures.contestants(result).axes[0]
    segments = [np.sort(np.asarray(line.get_xdata(), float)) for line in panel.lines if np.size(line.get_ydata()) == 2]
    reference = sum(result.contestants[0].scores["PE"]) / 10
    assert segments[0] == pytest.approx([reference, reference])
    assert segments[1] == pytest.approx([reference + difference.low, reference + difference.high])


def test_sharing_figure_labels_both_ends() -> None:
    labels = texts(plot_style.svg(comparison_figures.sharing(example_comparison(("PE", "V", "RH")))))
    assert labels.count(comparison_figures.NOTHING_SHARED) == labels.count(comparison_figures.ALL_SHARED) == 3


def test_figures_are_drawn_if_all_contestants_failed() -> None:
    result = replace(
        example_comparison(with_transfer=False, with_sharing=False),
        contestants=(failed_contestant("wild", "diverged"),),
        differences=(),
    )
    for draw in (comparison_figures.contestants, comparison_figures.costs):
        assert plot_style.svg(draw(result)).startswith("<svg")


HOSTILE_TEXT = ["$$", "%$#$", "k$ {a$", r"$\frac{1}{$", "<b>&amp;</b>", "a\\b"]


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_text_is_drawn_literally_wherever_it_stands(text: str) -> None:
    figure, panel = plot_style.axes(400, 300)
    panel.plot([1, 2], [1, 2], label=text)
    panel.set_xlabel(text)
    panel.set_ylabel(text)
    panel.set_yticks([1, 2], [text, text])
    panel.legend()
    plot_style.title(panel, text)
    plot_style.note(panel, (1, 1), text)
    assert texts(plot_style.svg(figure)).count(text) == 7
    assert plot_style.png(figure).startswith(b"\x89PNG")


def test_ticks_of_a_logarithmic_axis_are_powers_of_ten() -> None:
    figure, panel = plot_style.axes(400, 300)
    panel.plot([1, 1000], [1, 2])
    panel.set_xscale("log")
    shown = ["".join(text.split()) for text in texts(plot_style.svg(figure))]
    assert not any("$" in text for text in shown)
    assert sum(text.startswith("10") for text in shown) >= 3


def test_labels_hide_no_marker_and_no_other_label() -> None:
    figure, panel = plot_style.axes(880, 460)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    markers = np.array([[0.5, 0.5], [0.53, 0.5], [0.47, 0.5], [0.5, 0.58], [0.99, 0.5]])
    labels = [PointLabel(f"trial {number}", (x, y)) for number, (x, y) in enumerate(markers[[0, 1, 4]])]
    draw_labels(panel, labels, markers)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in panel.texts]  # without the lines to the points
    points = panel.transData.transform(markers)
    assert not any(box.contains(*point) for box in boxes for point in points)
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    assert all(panel.get_window_extent().x1 >= box.x1 for box in boxes)
