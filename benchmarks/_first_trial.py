"""What `benchmarks.start` starts as the peer: a script that runs KerasTuner's random search for one trial.

python -m benchmarks._first_trial [--data PATH] [--epochs N]
"""

from __future__ import annotations

from benchmarks import _measure, _peers


def main() -> None:
    """Reads the table, imports, searches, and ends."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=10, help="of the trial: 10")
    options = parser.parse_args()
    setting = _measure.setting("quickstart", options.data, [f"fit.epochs={options.epochs}"])
    _measure.import_tensorflow()
    _peers.search_by_keras_tuner(_peers.Task(setting.experiment, setting.rows), 1)


if __name__ == "__main__":
    main()
