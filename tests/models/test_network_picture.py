"""Pictures of networks in files: the graph, its layout by Graphviz, and errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from branchsweep.config.yaml.loading import load_experiment
from branchsweep.errors import UserError
from branchsweep.models.architecture import Architecture
from branchsweep.models.network_picture import network_dot, render_dot, require_graphviz
from branchsweep.models.recipe import recipe_for

ROOT = Path(__file__).parents[2]
INPUTS = ["AT", "AP", "RH"]
BRANCHED = Architecture((4, 4), {"PE": (), "V": (4,)}, "relu")
CHAIN = [("AT, AP, RH", "trunk_1"), ("trunk_1", "trunk_2"), ("trunk_2", "PE")]
FORK = [("trunk_2", "V_1"), ("V_1", "V")]


def edges(text: str) -> set[tuple[str, str]]:
    """The edges between layers, by their names."""
    names = dict(re.findall(r"^(\d+) \[.*?<b>(.*?)</b>", text, re.MULTILINE))
    return {(names[above], names[below]) for above, below in re.findall(r"^(\d+) -> (\d+)", text, re.MULTILINE)}


@pytest.mark.parametrize(("name", "expected"), [("toy_sequential", CHAIN), ("toy_branched", CHAIN + FORK)])
def test_the_graphs_of_the_tutorial(name: str, expected: list[tuple[str, str]]) -> None:
    experiment = load_experiment(ROOT / "experiments" / f"{name}.yaml")
    architecture = recipe_for(experiment, experiment.search.initial_trials["toy"]).architecture
    assert edges(network_dot(architecture, list(experiment.table.inputs))) == set(expected)


def test_every_node_has_its_shapes_and_activation() -> None:
    text = network_dot(Architecture((7, 5), {"PE": (3,)}, "tanh"), ["a", "b"])
    shapes = re.findall(
        r"<b>(\w+)</b> \(Dense\).*?Activation: <b>(\w+)</b>.*?: <b>\(None, (\d+)\)</b>.*?: <b>\(None, (\d+)\)", text
    )
    assert shapes == [
        ("trunk_1", "tanh", "2", "7"),
        ("trunk_2", "tanh", "7", "5"),
        ("PE_1", "tanh", "5", "3"),
        ("PE", "linear", "3", "1"),
    ]


def test_columns_may_have_any_name(tmp_path: Path, graphviz_program: str) -> None:
    inputs = ["flow <t/h>", "R&D", '"quoted"', "μ", *(f"column {n}" for n in range(12))]
    render_dot(network_dot(BRANCHED, inputs), tmp_path / "it.svg")
    texts = " ".join(text for text, _ in texts_of(tmp_path / "it.svg"))
    for name in inputs:
        assert name in texts


def texts_of(svg: Path) -> list[tuple[str, float]]:
    """The texts of a picture with their vertical positions in points."""
    root = ET.fromstring(svg.read_text(encoding="utf-8"))  # noqa: S314  # written by Graphviz
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    return [("".join(text.itertext()), float(text.attrib["y"])) for text in texts]


def test_layers_are_drawn_from_top_to_bottom(tmp_path: Path, graphviz_program: str) -> None:
    render_dot(network_dot(BRANCHED, INPUTS), tmp_path / "it.svg")
    position = dict(texts_of(tmp_path / "it.svg"))
    assert (
        position["AT, AP, RH"] < position["trunk_1"] < position["trunk_2"] < position["PE"] == position["V_1"] < position["V"]
    )


def test_an_svg_is_not_cut_off(tmp_path: Path, graphviz_program: str) -> None:
    """Graphviz cuts an svg off where there are more than 72 dots per inch, which Keras asks for."""
    render_dot(network_dot(BRANCHED, INPUTS), tmp_path / "it.svg")
    text = (tmp_path / "it.svg").read_text(encoding="utf-8")
    assert "scale(1 1)" in text
    assert re.search(r'width="(\d+)pt" height="(\d+)pt"\s+viewBox="0.00 0.00 \1.00 \2.00"', text)


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG\r\n\x1a\n"), (".svg", b"<?xml"), (".pdf", b"%PDF-")])
def test_the_suffix_determines_the_format(tmp_path: Path, graphviz_program: str, suffix: str, begins: bytes) -> None:
    file = tmp_path / f"it{suffix}"
    render_dot("digraph { above -> below }", file)
    assert file.read_bytes().startswith(begins)


def test_a_graph_that_cannot_be_drawn_leaves_no_file(tmp_path: Path, graphviz_program: str) -> None:
    with pytest.raises(UserError, match=r"it\.png"):
        render_dot("digraph { above ->", tmp_path / "it.png")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path, graphviz_program: str) -> None:
    (tmp_path / "it.png").mkdir()
    with pytest.raises(UserError, match=r"it\.png"):
        render_dot("digraph { above -> below }", tmp_path / "it.png")


def test_an_error_names_all_missing_programs_and_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt install graphviz"):
        require_graphviz()
    monkeypatch.setitem(sys.modules, "pydot", None)  # as if the package was not installed
    with pytest.raises(UserError, match=r'apt install graphviz.*pip install "branchsweep\[draw\]"'):
        require_graphviz()


def test_an_error_names_pydot_if_it_alone_is_missing(monkeypatch: pytest.MonkeyPatch, graphviz_program: str) -> None:
    assert require_graphviz() == graphviz_program
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(UserError, match="pydot"):
        require_graphviz()
