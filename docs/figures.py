"""Makes the scores in the README from recorded runs: the table of test scores, and the answer of the comparison.

    python docs/figures.py [--tracking-uri URI] [--data PATH] [--check]

The sweeps `ensemble` and `branched` and the comparison `compare` of the store are read, the newest of each name; scikit-learn's
forests are fitted here, on the split of `branched`. The lines between `<!-- figures: … -->` and `<!-- end -->` in README.md are
replaced, and `docs/comparison.png`, the contestants of the comparison, is drawn. With `--check` nothing is written, and the
exit status is 1 where the lines differ. Seconds and ratios are those of the scripts in `benchmarks/`.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image  # comes with matplotlib
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

from branchsweep.config.addresses import Address
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.comparison.page import comparison_pictures
from branchsweep.tracking.mlflow.comparison import open_comparison
from branchsweep.tracking.open import open_recorded_sweep
from branchsweep.types import Floats
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.session import Session, load_rows

ROOT = Path(__file__).parents[1]

AUTHOR = "0.9259, 0.7851"
"""What the tutorial's author printed of his own run."""

TREES = 300

Row = tuple[str, Sequence[float]]
"""What is evaluated, and its R² on the test rows by head."""


def summary_of(sweep: str, tracking_uri: Address | None) -> SweepSummary:
    """The summary of a recorded sweep that has finished."""
    conclusion = open_recorded_sweep(tracking_uri, sweep).conclusion
    if conclusion is None:
        sys.exit(f"the sweep {sweep} has not finished: branchsweep run experiments/{sweep}.yaml")
    return SweepSummary.loads(conclusion.summary)


def model_row(name: str, summary: SweepSummary) -> Row:
    """The test scores of a sweep's model."""
    assert summary.test_scores is not None, "its refit did not diverge"
    return name, list(summary.test_scores.values())


def baseline_row(name: str, baseline: str, summary: SweepSummary) -> Row:
    """The test scores of a baseline of a sweep."""
    (found,) = (result for result in summary.baselines if result.name == baseline)
    return name, list(found.test_scores.values())


def forest_rows(experiment: Experiment, data: Path | None) -> list[Row]:
    """scikit-learn's random forest with its defaults but for the number of trees: one for each head, and one for all heads."""
    dataset, split = load_rows(experiment, Session(data=data))
    x, y, test_x, test_y = dataset.x[split.train], dataset.y[split.train], dataset.x[split.test], dataset.y[split.test]

    def scores(actual: Floats, targets: Floats) -> list[float]:
        predicted = RandomForestRegressor(TREES, random_state=0, n_jobs=-1).fit(x, targets).predict(test_x)
        return [float(score) for score in r2_score(actual, predicted, multioutput="raw_values")]

    each = [scores(test_y[:, head], y[:, head])[0] for head in range(y.shape[1])]
    return [
        (f"a random forest for each head, of {TREES} trees each", each),
        (f"one random forest for both heads, of {TREES} trees", scores(test_y, y)),
    ]


def score_table(rows: Sequence[Row], heads: Sequence[str]) -> str:
    """A Markdown table, the best mean first."""
    ordered = sorted(rows, key=lambda row: -sum(row[1]))
    lines = [f"| R² on the test rows | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(f'{score:.4f}' for score in scores)} |" for name, scores in ordered)])


def answer(result: ComparisonResult) -> str:
    """The conclusions of a comparison, as a quotation."""
    return textwrap.fill(" ".join(result.conclusions), 128, initial_indent="> ", subsequent_indent="> ", break_long_words=False)


def draw_contestants(result: ComparisonResult, file: Path) -> None:
    """The figure of a comparison's contestants, on white: its letters are dark, and a page may be."""
    drawn = comparison_pictures(result)["contestants"]
    assert drawn is not None, "every comparison has contestants"
    figure = Image.open(io.BytesIO(drawn.png)).convert("RGBA")
    Image.alpha_composite(Image.new("RGBA", figure.size, "white"), figure).convert("RGB").save(file, optimize=True)


def replaced(text: str, blocks: Mapping[str, str]) -> str:
    """The text with the lines between the marks of each block in place of what stands there.

    Raises:
        ValueError: The text has no such marks, or has them more than once.
    """
    for name, lines in blocks.items():
        pattern = re.compile(rf"(<!-- figures: {re.escape(name)} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda marks, lines=lines: f"{marks[1]}{lines}{marks[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"README.md: got {count} blocks 'figures: {name}', expected one")
    return text


def main() -> None:
    """Write the figures, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tracking-uri", type=Address)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    ensemble, branched = (summary_of(name, arguments.tracking_uri) for name in ("ensemble", "branched"))
    comparison = open_comparison(arguments.tracking_uri, "compare").conclusion
    if comparison is None:
        sys.exit("the comparison compare has not finished: branchsweep compare experiments/compare.yaml")
    rows = [
        model_row("sixteen networks and estimators of scikit-learn, stacked (`experiments/ensemble.yaml`)", ensemble),
        model_row("eight networks of a search of 64 trials, stacked with estimators (`make sweep`)", branched),
        baseline_row(
            "15 nearest neighbors with a learned metric, for each head",
            "k nearest neighbors, n_neighbors 15, weights distance, metric learned",
            branched,
        ),
        baseline_row(f"the tutorial's network (`experiments/article.yaml`; its author's run: {AUTHOR})", "article", branched),
        baseline_row("linear regression", "linear regression", branched),
        *forest_rows(load_experiment(ROOT / "experiments" / "branched.yaml"), arguments.data),
    ]
    heads = list(branched.score_metrics)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    made = replaced(text, {"test scores": score_table(rows, heads), "comparison": answer(comparison)})
    if arguments.check:
        sys.exit(made != text)
    readme.write_text(made, encoding="utf-8")
    draw_contestants(comparison, ROOT / "docs" / "comparison.png")


if __name__ == "__main__":
    main()
