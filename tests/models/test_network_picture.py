"""Pictures of networks in files: the graph that Keras tells of, how Graphviz lays it out, and what is said where it cannot."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from branchsweep.config.loading import load_experiment
from branchsweep.errors import UserError
from branchsweep.models.architecture import Architecture
from branchsweep.models.drawing import network_dot, render_dot, require_graphviz
from branchsweep.models.recipe import recipe_for

ROOT = Path(__file__).parents[2]
INPUTS = ["AT", "AP", "RH"]
BRANCHED = Architecture((4, 4), {"PE": (), "V": (4,)}, "relu")
CHAIN = [("AT, AP, RH", "trunk_1"), ("trunk_1", "trunk_2"), ("trunk_2", "PE")]
FORK = [("trunk_2", "V_1"), ("V_1", "V")]


def edges(text: str) -> set[tuple[str, str]]:
    """From layer to layer, by the names in their boxes."""
    names = dict(re.findall(r"^(\d+) \[.*?<b>(.*?)</b>", text, re.MULTILINE))
    return {(names[above], names[below]) for above, below in re.findall(r"^(\d+) -> (\d+)", text, re.MULTILINE)}


@pytest.mark.parametrize(("name", "expected"), [("toy_sequential", CHAIN), ("toy_branched", CHAIN + FORK)])
def test_the_graphs_of_the_tutorials_toys(name: str, expected: list[tuple[str, str]]) -> None:
    experiment = load_experiment(ROOT / "experiments" / f"{name}.yaml")
    architecture = recipe_for(experiment, experiment.search.initial_trials["toy"]).architecture
    assert edges(network_dot(architecture, experiment.table.inputs)) == set(expected)


def test_every_box_tells_its_shapes_and_its_activation() -> None:
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
    words = " ".join(text for text, _ in written(tmp_path / "it.svg"))
    for name in inputs:
        assert name in words


def written(svg: Path) -> list[tuple[str, float]]:
    """The texts of a picture and how far down they stand, in points."""
    root = ET.fromstring(svg.read_text(encoding="utf-8"))  # noqa: S314  # Graphviz wrote it, for us
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    return [("".join(text.itertext()), float(text.attrib["y"])) for text in texts]


def test_the_inputs_stand_on_top_and_the_fork_below_the_second_layer(tmp_path: Path, graphviz_program: str) -> None:
    render_dot(network_dot(BRANCHED, INPUTS), tmp_path / "it.svg")
    down = dict(written(tmp_path / "it.svg"))
    assert down["AT, AP, RH"] < down["trunk_1"] < down["trunk_2"] < down["PE"] == down["V_1"] < down["V"]


def test_the_whole_picture_is_seen(tmp_path: Path, graphviz_program: str) -> None:
    """Graphviz cuts an svg off where there are more than 72 dots per inch, which Keras asks for."""
    render_dot(network_dot(BRANCHED, INPUTS), tmp_path / "it.svg")
    text = (tmp_path / "it.svg").read_text(encoding="utf-8")
    assert "scale(1 1)" in text
    assert re.search(r'width="(\d+)pt" height="(\d+)pt"\s+viewBox="0.00 0.00 \1.00 \2.00"', text)


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG\r\n\x1a\n"), (".svg", b"<?xml"), (".pdf", b"%PDF-")])
def test_the_suffix_says_what_is_written(tmp_path: Path, graphviz_program: str, suffix: str, begins: bytes) -> None:
    file = tmp_path / f"it{suffix}"
    render_dot("digraph { above -> below }", file)
    assert file.read_bytes().startswith(begins)


def test_a_graph_that_cannot_be_drawn_leaves_no_file(tmp_path: Path, graphviz_program: str) -> None:
    with pytest.raises(UserError, match=r"drew nothing .* syntax error"):
        render_dot("digraph { above ->", tmp_path / "it.png")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, graphviz_program: str) -> None:
    (tmp_path / "it.png").mkdir()
    with pytest.raises(UserError, match=r"it\.png: cannot be written"):
        render_dot("digraph { above -> below }", tmp_path / "it.png")


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"a picture needs Graphviz's program dot \(apt install graphviz, [^)]*\); without"):
        require_graphviz()
    monkeypatch.setitem(sys.modules, "pydot", None)  # so Python has it that a package is not there
    with pytest.raises(UserError, match=r'dot \(apt .*\) and the package pydot \(pip install "branchsweep\[draw\]"\); without'):
        require_graphviz()


def test_pydot_alone_may_be_missing(monkeypatch: pytest.MonkeyPatch, graphviz_program: str) -> None:
    assert require_graphviz() == graphviz_program
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(UserError, match=r"a picture needs the package pydot"):
        require_graphviz()
