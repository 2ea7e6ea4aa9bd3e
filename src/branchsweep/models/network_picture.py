"""Pictures of a network by Graphviz: its text in the dot language, rendered to a file of png, svg or pdf."""

from __future__ import annotations

import html
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path

from branchsweep.errors import UserError
from branchsweep.models.architecture import Architecture
from branchsweep.runtime import is_installed

DOTS_PER_INCH = {".png": 200, ".svg": 72, ".pdf": 72}
"""What can be written, by suffix. Pixels must be many; the others are measured in points, 72 of which are an inch."""


def require_graphviz() -> str:
    """The path of Graphviz's `dot`.

    Raises:
        UserError: Graphviz or pydot, by which Keras writes the dot language, is not installed. The message names all that is
            missing.
    """
    found = shutil.which("dot")
    missing = [] if found else ["Graphviz's program dot (apt install graphviz, or your system's package of that name)"]
    if not is_installed("pydot"):
        missing.append('the package pydot (pip install "branchsweep[draw]")')
    if found is None or missing:
        raise UserError(f"a picture needs {' and '.join(missing)}; without -o the network is printed as text")
    return found


def check_output_path(file: Path) -> None:
    """Raises UserError unless a picture may be written there."""
    if file.suffix not in DOTS_PER_INCH:
        *others, last = DOTS_PER_INCH
        raise UserError(f"expected a path that ends in {', '.join(others)} or {last}", str(file))
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent}; make it, or write elsewhere", str(file))


def render_dot(text: str, file: Path) -> None:
    """Lays out a graph and writes its picture; the file is touched only when the picture is there.

    Args:
        text: The graph in the dot language.
        file: Its suffix is one of `DOTS_PER_INCH`.

    Raises:
        UserError: Something is missing, `dot` fails, or the file cannot be written.
    """
    dot = require_graphviz()
    command = [dot, f"-T{file.suffix[1:]}", f"-Gdpi={DOTS_PER_INCH[file.suffix]}"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # noqa: S603  # our own words
    if done.returncode or not done.stdout:
        message = done.stderr.decode(errors="replace").strip()
        raise UserError(f"{dot} drew nothing (exit code {done.returncode}): {message}", str(file))
    try:
        file.write_bytes(done.stdout)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(file)) from error


LINE = 48
"""Letters of a line of input columns, unless one column's name is longer."""


def network_dot(architecture: Architecture, inputs: Sequence[str], width: int | None = None) -> str:
    """What `keras.utils.plot_model` would draw, in the dot language. Layers have the names that they have in an exported model.

    Args:
        architecture: The network.
        inputs: The names of the raw input columns; the topmost box shows them.
        width: Encoded input columns; as many as raw ones if None.
    """
    import keras  # noqa: PLC0415  # a drawing as text needs no TensorFlow

    from branchsweep.models import keras_network  # noqa: PLC0415  # likewise

    model = keras_network.build_network(architecture, len(inputs) if width is None else width)
    drawn = keras.utils.model_to_dot(model, show_shapes=True, show_layer_names=True, show_layer_activations=True)
    # Keras forbids a slash in a layer's name, and a column may have one: so it is the picture that names them, not the model.
    columns = "<br/>".join(textwrap.wrap(html.escape(", ".join(inputs)), LINE, break_long_words=False, break_on_hyphens=False))
    return str(drawn.to_string()).replace("<b>inputs</b>", f"<b>{columns}</b>")
