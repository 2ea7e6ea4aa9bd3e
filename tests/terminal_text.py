"""What a terminal shows."""

from __future__ import annotations

from rich.console import Console, RenderableType


def rendered_text(renderable: RenderableType) -> str:
    """What a terminal of 160 columns shows, without colours."""
    console = Console(width=160)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()
