"""Shows messages and progress of workflows below the cell of a notebook, where Python runs in one."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType

from branchsweep.reporting.terminal_interface import TerminalInterface
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.workflows.progress import ProgressCallback
    from branchsweep.workflows.session import DownloadProgress, UserInterface

REFRESH_SECONDS = 0.5
"""Seconds between two updates of the progress."""

WIDTH = 100
"""Columns of the progress."""

_PRE = '<pre style="white-space: pre; line-height: normal; overflow-x: auto">{code}</pre>'

Show = Callable[[str], None]
"""Shows HTML in the place of what it showed before."""


def user_interface() -> UserInterface:
    """The interface of a call in Python: below the cell of a notebook, else on standard error."""
    display = notebook_display()
    return TerminalInterface.on_stderr() if display is None else NotebookInterface(display)


def notebook_display() -> Callable[[], Show] | None:
    """What opens a place for HTML below the cell that runs; None where Python runs in no notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:  # a terminal of IPython has none
        return None
    from IPython.display import HTML, display  # noqa: PLC0415  # there, as this is a notebook

    warnings.filterwarnings("ignore", "IProgress not found")  # of tqdm, which MLflow imports: nothing of ours is a widget

    def open_place() -> Show:
        place: Any = display(HTML(""), display_id=True)
        return lambda text: place.update(HTML(text))

    return open_place


def panel_html(panel: RenderableType) -> str:
    """What a terminal shows, as HTML in the colours of the page."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_jupyter=False, force_terminal=True)
    console.print(panel)
    return console.export_html(inline_styles=True, code_format=_PRE)


class NotebookInterface:
    """A `workflows.session.UserInterface` below the cell of a notebook.

    Args:
        open_place: Opens a place for HTML.
    """

    def __init__(self, open_place: Callable[[], Show]) -> None:
        self._open_place = open_place
        self._lines = TerminalInterface(LiteralConsole(file=sys.stdout, force_jupyter=False, color_system=None))

    def message(self, text: str, style: str = "") -> None:
        """Print a message on a line of its own."""
        self._lines.message(text, style)

    def progress(self) -> AbstractContextManager[ProgressCallback]:
        """The live display of a workflow's progress."""
        from branchsweep.reporting.terminal import Terminal  # noqa: PLC0415  # only what trains has progress

        return Terminal(self._lines.console, lambda panel: LivePanel(panel, self._open_place()))

    @contextmanager
    def download(self) -> Iterator[DownloadProgress]:
        """The progress of a download is not shown: the built-in table has 4 MB."""
        yield lambda _received, _total: None


class LivePanel:
    """Shows a panel again and again, until it is stopped; then nothing, as results follow.

    Args:
        panel: Makes the panel as it is now.
        show: Shows HTML.
    """

    def __init__(self, panel: Callable[[], RenderableType], show: Show) -> None:
        self._panel, self._show = panel, show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="branchsweep-progress", daemon=True)

    def start(self) -> None:
        """Show it from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Remove it."""
        self._stopped.set()
        self._thread.join()
        self._show("")

    def _run(self) -> None:
        while not self._stopped.wait(REFRESH_SECONDS):
            self._show(panel_html(self._panel()))
