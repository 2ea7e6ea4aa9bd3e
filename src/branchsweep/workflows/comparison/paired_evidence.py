"""McNemar's and DeLong's tests of the single- against the multi-output network, on the rows of every half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from branchsweep.config.comparison import N_HALVES, Comparison
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.paired_tests import PairedTest, over_parts, paired_tests
from branchsweep.metrics.significance import PairedPredictions
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.types import Floats


def transfer_tests(
    comparison: Comparison, predictions: Mapping[str, Sequence[Floats]], rows: TrainingRows
) -> tuple[PairedTest, ...]:
    """The tests of the contestant with shared layers against the one without; none where one of them has no predictions.

    Args:
        comparison: The comparison.
        predictions: By contestant, what its first network of every half predicts for the other half, `(rows, outputs)`.
        rows: All rows, with the halves as the first folds.
    """
    shared, single = comparison.transfer_pair or ("", "")
    if not {shared, single} <= predictions.keys():
        return ()
    actual = rows.for_heads(list(comparison.experiment.heads)).actual
    kinds = kinds_by_head(comparison.experiment)
    by_half = [
        paired_tests(PairedPredictions(actual.rows(rows.fold_rows(half)[1]), first, second), kinds)
        for half, first, second in zip(range(N_HALVES), predictions[single], predictions[shared], strict=True)
    ]
    return tuple(over_parts(by_half))
