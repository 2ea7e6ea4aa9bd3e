"""Draws which folder of `src/branchsweep` imports which, from the code: `docs/imports.png`.

    python docs/imports.py [--check]

Folders stand in the order of the contract `layers` in `pyproject.toml`. Every import counts, those within functions and those
for types alone included. The exit status is 1, and nothing is drawn, where an arrow would not point downwards; with `--check`
also where the picture that is kept shows other arrows than the code has.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve
from PIL import Image  # comes with matplotlib
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parents[1]

PICTURE = Path(__file__).with_suffix(".png")

KEY = "imports"
"""The name of the text in the picture that lists its arrows."""

Edge = tuple[str, str]
"""A folder that imports, and one that it imports."""

SENTENCES = {
    "cli": "commands: parse arguments, open what is needed,\ncall a workflow, print",
    "api": "Python: sweeps, comparisons, models, figures,\ncallbacks, notebooks",
    "estimators": "BranchedRegressor and BranchedClassifier,\nestimators of scikit-learn",
    "reporting": "terminal progress, HTML report, figures,\nmodel card, descriptions in MLflow",
    "workflows": "sweep, search loop, compare, promotion,\nreplay, dry run",
    "search": "search drivers, pruning, stopping, importance",
    "training": "populations, packing, compiled program, workers",
    "tracking": "tracker, registry, test-set audit",
    "models": "architecture, Keras network, export, serving,\ngenerated code, baselines",
    "data": "tables, columns, encoders, splits",
    "metrics": "scores per head, objectives, significance",
    "config": "what users write: experiments, search spaces;\nYAML, messages, JSON Schema",
}
"""What is in each folder, as `docs/` says it: two lines at most."""

COLOURS = [
    "#4c566a",
    "#3b7080",
    "#86603a",
    "#b5485d",
    "#3a6ea5",
    "#c77d1e",
    "#2f8f6b",
    "#7d5ba6",
    "#a23e8c",
    "#4f8a10",
    "#20808d",
    "#8a6d3b",
]

ROW, GAP = 1.0, 0.28
"""Height of a box, and the distance to the next one."""

WIDTH = 6.3
"""Of a box."""


def layers() -> list[list[str]]:
    """The folders by layer, from the top: those of one layer do not import each other."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (found for found in settings["tool"]["importlinter"]["contracts"] if found["id"] == "layers")
    named = [layer.replace("|", ":").split(":") for layer in contract["layers"]]
    return [names for layer in named if (names := [name.strip() for name in layer if name.strip() in folders()])]


def folders() -> set[str]:
    """The folders of the package."""
    return {path.parent.name for path in (ROOT / "src" / "branchsweep").glob("*/__init__.py")}


def imports(package: Path) -> Iterator[tuple[Path, str]]:
    """Each module with the name, below the package, of what it imports."""
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module=str(module), names=names, level=0) if module == package.name:
                    yield from ((path, alias.name) for alias in names)
                case ast.ImportFrom(module=str(module), level=0) if module.startswith(f"{package.name}."):
                    yield path, module.split(".")[1]
                case ast.Import(names=names):
                    yield from (
                        (path, alias.name.split(".")[1]) for alias in names if alias.name.startswith(f"{package.name}.")
                    )


def edges() -> dict[Edge, list[Path]]:
    """Which folder imports which other one, with the modules that do so."""
    package, known = ROOT / "src" / "branchsweep", folders()
    found: dict[Edge, list[Path]] = {}
    for path, imported in imports(package):
        importer = path.relative_to(package).parts[0]
        if importer in known and imported in known and importer != imported:
            found.setdefault((importer, imported), []).append(path.relative_to(ROOT))
    return found


def not_downwards(found: Mapping[Edge, Sequence[Path]], order: Sequence[Sequence[str]]) -> list[str]:
    """A sentence for each import that does not point to a lower layer."""
    level = {name: index for index, names in enumerate(order) for name in names}
    return [
        f"{path}: {importer} imports {imported}, which is not below it"
        for (importer, imported), paths in found.items()
        if level[importer] >= level[imported]
        for path in dict.fromkeys(paths)
    ]


def draw(found: Sequence[Edge], order: Sequence[Sequence[str]], picture: Path) -> None:
    """The folders from top to bottom, and an arrow for each import from one to another."""
    names = [name for layer in order for name in layer]
    top = {name: -index * (ROW + GAP) for index, name in enumerate(names)}
    height = len(names) * (ROW + GAP)
    figure = Figure(figsize=(11.2, 11.2), facecolor="white")
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    axes.set_xlim(-0.5, WIDTH + 5.8)
    axes.set_ylim(-height - 0.75, 0.45)
    axes.axis("off")
    for layer in order:
        if len(layer) > 1:
            _strangers(axes, top[layer[0]], top[layer[-1]] - ROW)
    for colour, name in zip(COLOURS, names, strict=True):
        _box(axes, name, top[name], colour)
    for importer, imported in found:
        start, end = _ends(found, names, top, (importer, imported))
        _arrow(axes, start, end, COLOURS[names.index(importer)])
    below = "below all of them, for everybody: trial, types, errors, runtime"
    axes.text(WIDTH / 2, -height - 0.28, below, ha="center", va="center", fontsize=10.5, color="#4c566a", style="italic")
    figure.savefig(picture, dpi=130)
    text = PngInfo()
    text.add_text(KEY, "\n".join(f"{importer} -> {imported}" for importer, imported in found))
    Image.open(picture).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(picture, optimize=True, pnginfo=text)


def drawn(picture: Path) -> list[Edge]:
    """The arrows that a picture shows, which stand in it as text."""
    with Image.open(picture) as image:
        lines = str(image.info[KEY]).splitlines()
    return [(importer, imported) for importer, _, imported in (line.partition(" -> ") for line in lines)]


def _strangers(axes: Axes, high: float, low: float) -> None:
    """Marks folders that do not import each other."""
    band = FancyBboxPatch((-0.2, low - 0.12), WIDTH + 0.4, high - low + 0.24, boxstyle="round,pad=0,rounding_size=0.15")
    band.set(facecolor="#eef1f6", edgecolor="none", zorder=0)
    axes.add_patch(band)
    middle = (high + low) / 2
    axes.text(-0.33, middle, "do not import each other", rotation=90, ha="center", va="center", fontsize=9.5, color="#4c566a")


def _box(axes: Axes, name: str, high: float, colour: str) -> None:
    box = FancyBboxPatch((0, high - ROW), WIDTH, ROW, boxstyle="round,pad=0,rounding_size=0.1")
    box.set(facecolor="white", edgecolor=colour, linewidth=1.8, zorder=2)
    axes.add_patch(box)
    axes.text(0.2, high - ROW / 2, name, va="center", fontsize=14, weight="bold", color=colour, zorder=3)
    axes.text(2.0, high - ROW / 2, SENTENCES[name], va="center", fontsize=10, color="#2e3440", zorder=3, linespacing=1.25)


def _ends(found: Sequence[Edge], names: Sequence[str], top: Mapping[str, float], edge: Edge) -> tuple[float, float]:
    """The heights at which an arrow leaves and arrives, so that arrows of one folder do not cross there.

    Arrows arrive in the upper part of a box, the nearest importer's first, and leave in the lower part, the farthest first.
    """
    importer, imported = edge
    leaving = sorted((target for source, target in found if source == importer), key=names.index, reverse=True)
    arriving = sorted((source for source, target in found if target == imported), key=names.index, reverse=True)
    return (
        _slot(top[importer], leaving.index(imported), len(leaving), _count(found, importer, 1), is_lower=True),
        _slot(top[imported], arriving.index(importer), len(arriving), _count(found, imported, 0), is_lower=False),
    )


def _count(found: Sequence[Edge], name: str, side: int) -> int:
    return sum(edge[side] == name for edge in found)


def _slot(high: float, index: int, count: int, others: int, *, is_lower: bool) -> float:
    """The height of one of `count` arrows beside a box that has `others` on its other part."""
    first, step = (others if is_lower else 0), ROW / (count + others + 1)
    return high - step * (first + index + 1)


def _arrow(axes: Axes, start: float, end: float, colour: str) -> None:
    """A half ellipse on the right, from one box down to another."""
    reach = 0.5 + 0.56 * (start - end) ** 0.92
    curve = Curve(
        [(WIDTH, start), (WIDTH + reach, start), (WIDTH + reach, end), (WIDTH + 0.2, end)],
        [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4],
    )
    axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=1.3, alpha=0.85, zorder=1))
    head = Polygon([(WIDTH + 0.03, end), (WIDTH + 0.22, end + 0.05), (WIDTH + 0.22, end - 0.05)], facecolor=colour, linewidth=0)
    axes.add_patch(head)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="draw nothing; compare the picture that is kept with the code")
    given = parser.parse_args()
    found, order = edges(), layers()
    wrong = not_downwards(found, order)
    if not wrong and not given.check:
        draw(sorted(found), order, PICTURE)
    if not wrong and drawn(PICTURE) != sorted(found):
        wrong = [f"{PICTURE.relative_to(ROOT)} is out of date: python docs/imports.py"]
    sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
