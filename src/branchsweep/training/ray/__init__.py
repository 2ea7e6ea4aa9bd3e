"""Workers on the nodes of a Ray cluster. The one place that imports Ray.

`workers` has the trainer: open it first; `worker` what it knows of each, `actor` what runs on a node, `cluster` connects to the
cluster and counts the workers it has room for.
"""

import os

from branchsweep.errors import BackendError

# Read when Ray is imported. Otherwise it would warn about a future change of its defaults, and print events of nodes to
# standard output, to which commands write their results.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

try:
    import ray.exceptions as _ray  # noqa: F401  # says at once that it is missing; a user's folder `ray` has no such module
except ImportError as missing:
    raise BackendError(
        "Ray is not installed, which workers on other machines need: pip install 'branchsweep[ray]'", "workers"
    ) from missing
