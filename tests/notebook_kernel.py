"""A kernel of Jupyter that runs the cells of notebooks, as JupyterLab does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SECONDS = 900
"""The longest that a cell may take."""


@dataclass(frozen=True)
class Output:
    """What a cell shows.

    Args:
        kind: The type of the kernel's message: `stream`, `display_data`, `update_display_data`, `execute_result`, `error`.
        text: The text or the HTML; of an error its name.
        image: Whether it is a picture.
    """

    kind: str
    text: str
    image: bool = False

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Output | None:
        """What a message shows; None for one that shows nothing."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            return cls(kind, content["text"])
        if kind == "error":
            return cls(kind, content["ename"] + ": " + content["evalue"])
        if kind in ("display_data", "update_display_data", "execute_result"):
            data = content["data"]
            return cls(kind, data.get("text/html", data.get("text/plain", "")), "image/png" in data)
        return None


@dataclass
class Kernel:
    """A running kernel.

    Args:
        manager: Starts, interrupts and kills it.
        client: Sends it cells.
    """

    manager: Any
    client: Any

    def run(self, cell: str, watch: Callable[[Output], bool] = lambda output: False) -> list[Output]:
        """The outputs of a cell, in order.

        Args:
            cell: Its code.
            watch: Is given each output; where it returns True, the cell is left as it is, under way.
        """
        request, outputs, began = self.client.execute(cell), list[Output](), time.monotonic()
        while time.monotonic() < began + SECONDS:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return outputs
            if output := Output.of(message):
                outputs.append(output)
                if watch(output):
                    return outputs
        raise TimeoutError(f"the cell takes more than {SECONDS} s: {[output.text[-200:] for output in outputs[-3:]]}")

    def restart(self) -> None:
        """Kills it, and starts another one in its place."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=60)


@contextmanager
def running_kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel with the Python of the tests, whose working directory is `folder`."""
    pytest.importorskip("ipykernel", reason="needs a kernel of Jupyter (pip install ipykernel)")
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def read_cells(notebook: Path, kind: str) -> list[str]:
    """The texts of the cells of a kind, `code` or `markdown`."""
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]
