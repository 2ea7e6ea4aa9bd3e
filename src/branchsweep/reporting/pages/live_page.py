"""The page that shows a running sweep; its script fills it from `progress.json`."""

from __future__ import annotations

from branchsweep.reporting.pages.html import render_template
from branchsweep.workflows.records.live_sweep import LiveSweep

POLL_MILLISECONDS = 2000
"""How often the page asks."""


def render_live_page(sweep: LiveSweep, run_page: str, nonce: str) -> str:
    """The page, without what changes.

    Args:
        sweep: The sweep.
        run_page: Address of its run in MLflow; empty where there is none.
        nonce: What the policy of the page allows its script by.
    """
    return render_template(
        "live.html",
        name=sweep.sweep,
        run_id=sweep.run_id,
        question=sweep.question,
        heads=list(sweep.heads),
        objective=sweep.objective,
        run_page=run_page,
        nonce=nonce,
        poll=POLL_MILLISECONDS,
    )
