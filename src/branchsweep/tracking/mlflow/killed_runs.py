"""Marks sweeps and comparisons whose process was killed: such a process leaves them `RUNNING` in MLflow's pages.

Only commands that write to the store, or serve its pages, do so; `show` and `watch` read, and say "interrupted" by themselves.
A process that was merely suspended, and taken for dead, gives its sweep the status `RUNNING` again at its next heartbeat.
"""

from __future__ import annotations

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.mlflow.lock_owner import ALIVE, LockOwner
from branchsweep.tracking.mlflow.run_lock import KILLED
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.store import experiments, search_runs, tag_filter, to_run
from branchsweep.tracking.run_records import STATUS_BY_ROLE, RunRecord, was_killed
from branchsweep.tracking.tracking_uri import resolve_tracking_uri


def mark_killed_runs(tracking_uri: Address | None) -> list[str]:
    """Give all sweeps and comparisons whose process has certainly ended MLflow's status `KILLED`, from which they are resumed.

    They end at their last heartbeat, a comparison, which has none, now.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.

    Returns:
        Their run ids.

    Raises:
        TrackingError: There is no such store, or it refused.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = connect(uri, create=False)
    with translate_errors(uri, "looking for killed sweeps"):
        marked = []
        for role in STATUS_BY_ROLE:
            running = f"{tag_filter('role', role)} AND status = 'RUNNING'"
            for run in list(search_runs(client, experiments(client), running)):
                if not was_killed(to_run(run), role):
                    continue
                latest = to_run(client.get_run(run.info.run_id))  # another process may have resumed it by now
                if was_killed(latest, role):
                    client.set_terminated(latest.run_id, KILLED, _last_heartbeat(latest))
                    marked.append(latest.run_id)
        return marked


def _last_heartbeat(run: RunRecord) -> int | None:
    """When its process was last alive, in milliseconds since 1970; None where that is not recorded."""
    owner = LockOwner.from_tags(run.tags)
    return round(1000 * owner.seen) if owner is not None and tag_name(ALIVE) in run.tags else None
