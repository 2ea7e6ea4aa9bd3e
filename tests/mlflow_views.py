"""Reads the views of MLflow's pages that a sweep writes as tags of an experiment."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def decode_state(value: str) -> dict[str, Any]:
    """The state of a view, from the value of its tag."""
    packed = str(json.loads(value)["state"]).removeprefix("deflate;")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state
