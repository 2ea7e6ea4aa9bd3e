"""YAML texts that atheris changes, guided by the code that they reach: `make fuzz` runs it where atheris is installed.

    python tests/fuzz/coverage_guided.py SECONDS

atheris is made for Linux and some versions of Python (`pip install atheris`). Whatever the text, reading it ends in an
experiment or a `ConfigError`; atheris keeps the text of anything else, and the exit status is not 0.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]

LONGEST_TEXT = 3000
"""Bytes of a text: the shipped experiments have fewer."""


def fuzz(seconds: int) -> None:
    """Change the shipped experiments for so many seconds, or end with the first text that is not handled."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["branchsweep.config", "ruamel.yaml"]):
        from branchsweep.config.yaml.loading import load_experiment
        from branchsweep.errors import ConfigError

    with tempfile.TemporaryDirectory() as temporary:
        corpus, file = Path(temporary) / "corpus", Path(temporary) / "experiment.yaml"
        corpus.mkdir()
        for experiment in (ROOT / "experiments").glob("*.yaml"):
            shutil.copy(experiment, corpus)

        def read(content: bytes) -> None:
            file.write_bytes(content)
            with suppress(ConfigError):
                load_experiment(file)

        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST_TEXT}", "-verbosity=0", f"-artifact_prefix={ROOT}/"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("NOT GUIDED BY COVERAGE: atheris is not installed (pip install atheris)\n")
    else:
        fuzz(int(sys.argv[1]))
