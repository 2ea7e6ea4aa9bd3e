"""The metric by which lanes choose their epochs where that is no score: computed from the predictions after each epoch.

It is the function that measures finished trials (`metrics/functions.py`), on the same rows in natural units, so that the epoch
which is kept is the best by the very metric that ranks the trials. The compiled program waits for it after every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from branchsweep.config.metric_names import SAME_ORDER, ObjectiveMetric
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.functions import MetricFunction, metric_function
from branchsweep.metrics.objectives import to_maximize
from branchsweep.metrics.output_columns import of_head, output_columns
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_of
from branchsweep.training.lane_score import METRIC
from branchsweep.training.population import Population, Program
from branchsweep.training.program.batches import BatchFeed, Floats32, Stream
from branchsweep.training.program.lane_arrays import natural_predictions, raw_outputs
from branchsweep.types import Floats

LARGEST = float(np.finfo(np.float32).max)
"""What stands for an infinite metric: the lane trains on, for its network has not diverged."""


@dataclass(frozen=True, slots=True)
class EpochMetric:
    """The metric of one head by which the lanes of a population choose their epochs.

    Args:
        name: As the objective has it (`accuracy/trip`).
        head: The position of the head.
        kind: What the head is.
        outputs: Its columns of predictions.
        function: Computes the metric.
        program: The population's.
        rows: The training rows, with the targets of the population's heads.
    """

    name: str
    head: int
    kind: Head
    outputs: slice
    function: MetricFunction
    program: Program
    rows: TrainingRows

    @classmethod
    def of(cls, population: Population, rows: TrainingRows) -> Self | None:
        """The metric of a population; None where scores choose its epochs.

        Args:
            population: Its objective names the metric.
            rows: All training rows.
        """
        if population.program.score_rule != METRIC:
            return None
        name = population.objective.ranking_metric
        metric = ObjectiveMetric.parsed(name)
        head, kinds = population.heads.index(metric.head), kinds_of(population.program.losses)
        return cls(
            name=name,
            head=head,
            kind=kinds[head],
            outputs=output_columns(kinds)[head],
            function=metric_function(kinds[head], metric.metric),
            program=population.program,
            rows=rows.for_heads(population.heads),
        )

    def value(self, stream: Stream, outputs: Floats, scores: Floats) -> float:
        """The metric of one lane after an epoch, with its sign changed where less is better.

        Args:
            stream: Has the validation rows.
            outputs: `(validation rows, outputs)` what the network computes for them, not yet in natural units.
            scores: `(heads,)` the scores after the epoch.

        Returns:
            0 without validation rows, NaN where the network has diverged. Where the metric is not defined on these rows, as the
            ROC AUC of rows of one class, what orders epochs as the head's score does: of classes the log loss, for their score
            is 0 after every epoch where all rows are of one class.
        """
        if not len(stream.validation):
            return 0.0
        if not (np.isfinite(scores).all() and np.isfinite(outputs).all()):
            return np.nan
        predicted = natural_predictions(self.program, stream, outputs)
        if not np.isfinite(predicted).all():
            return np.nan
        known = self.rows.actual.rows(stream.validation).head(self.head, of_head(predicted, self.outputs))
        value = self.function(*known) if len(known[0]) else np.nan
        if not np.isnan(value):
            return to_maximize(self.name, float(np.clip(value, -LARGEST, LARGEST)))
        loss = SAME_ORDER.get(self.kind.score, "")
        if loss not in self.kind.metrics or not len(known[0]):
            return float(scores[self.head])
        return -metric_function(self.kind, loss)(*known)

    def values(self, feed: BatchFeed, outputs: Floats32, scores: Floats32, going: NDArray[np.bool_]) -> Floats32:
        """The metric of every lane of the population after an epoch, as `value`: `(K,)`.

        Args:
            feed: The streams.
            outputs: `(V, U*H*K, B)` what the networks compute for the validation rows, see `program_arrays.py`.
            scores: `(H*K,)` the scores after the epoch.
            going: `(K,)` which lanes train; the metric of the others is not computed, and 0.
        """
        by_lane = scores.reshape(-1, self.program.lanes).T.astype(np.float64)
        measured = np.zeros(self.program.lanes, np.float32)
        for lane, stream in enumerate(feed.stream_of_lane):
            if going[lane]:
                of_lane = feed.streams[stream]
                raw = raw_outputs(self.program, outputs, lane)[: len(of_lane.validation)]
                measured[lane] = self.value(of_lane, raw.astype(np.float64), by_lane[lane])
        return measured
