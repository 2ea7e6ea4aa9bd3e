"""All details of one recorded trial."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.addresses import Address
from branchsweep.config.codec import Inline, to_public_json
from branchsweep.config.experiment import Experiment
from branchsweep.errors import ConfigError
from branchsweep.models.drawing import COLUMNS, draw_network
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.trial import Params, Result, Score
from branchsweep.workflows.records.trial_json import TrialJson

Points = Sequence[tuple[int, float]]
"""Epochs (from 1) and values, in order."""


@dataclass(frozen=True, slots=True)
class TrialDetailsJson:
    """The details of a trial as `branchsweep show SWEEP TRIAL --json` prints them. See `TrialDetails` for what its fields are.

    Args:
        trial: The trial with its score.
        lane_scores: By the lane's name, its scores by head.
        rungs: By epoch, the scores at the rungs that the trial reached, in the order of the heads.
    """

    sweep: str
    sweep_id: str
    trial: Inline[TrialJson]
    heads: Mapping[str, str]
    fixed: Params
    recipe: Recipe
    parameters: int | None
    picture: Sequence[str]
    lane_scores: Mapping[str, Mapping[str, float]]
    rungs: Mapping[int, Sequence[float]]
    curves: Mapping[str, Points]
    replay: str


@dataclass(frozen=True, slots=True)
class TrialDetails:
    """All details of one recorded trial.

    Args:
        sweep: The experiment's name.
        sweep_id: The sweep's run.
        run_id: The trial's run.
        result: The trial with its score.
        heads: Unit by head.
        score_metrics: The name of the metric that is the score, by head.
        fixed: The params that the space fixes.
        recipe: The recipe that was trained.
        picture: A drawing of the network as lines of text.
        parameters: The number of its weights and biases; None where a builder fails.
        lanes: By the lane's name, its scores by head; empty if they were not recorded.
        curves: Learning curves by head, as far as they were recorded.
        replay: The command that trains the trial again.
    """

    sweep: str
    sweep_id: str
    run_id: str
    result: Result
    heads: Mapping[str, str]
    score_metrics: Mapping[str, str]
    fixed: Params
    recipe: Recipe
    picture: Sequence[str]
    parameters: int | None
    lanes: Mapping[str, Mapping[str, float]]
    curves: Mapping[str, Points]
    replay: str

    def to_json(self) -> str:
        """The details as a JSON object; null stands for NaN and infinities."""
        return to_public_json(
            TrialDetailsJson(
                sweep=self.sweep,
                sweep_id=self.sweep_id,
                trial=TrialJson.of(self.result, self.run_id, self.score_metrics),
                heads=self.heads,
                fixed=self.fixed,
                recipe=self.recipe,
                parameters=self.parameters,
                picture=self.picture,
                lane_scores=self.lanes,
                rungs=self.result.score.rungs,
                curves=self.curves,
                replay=self.replay,
            ),
            ascii_only=False,
        )


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """A trial as it is recorded.

    Args:
        run_id: The trial's run.
        result: The trial with its score.
        curves: Learning curves by head, as far as they were recorded.
    """

    run_id: str
    result: Result
    curves: Mapping[str, Points]


def trial_details(
    experiment: Experiment, sweep_id: str, trial: RecordedTrial, tracking_uri: Address | None = None, columns: int = COLUMNS
) -> TrialDetails:
    """Collect the details of one trial of a sweep.

    Args:
        experiment: The recorded experiment.
        sweep_id: The sweep's run.
        trial: What is recorded of it.
        tracking_uri: The tracking URI as the user gave it; None for the default.
        columns: The most characters in a line of the drawing.
    """
    result, where = trial.result, f" --tracking-uri {shlex.quote(str(tracking_uri))}" if tracking_uri else ""
    recipe = recipe_for(experiment, result.trial.params)
    inputs = experiment.table.inputs
    return TrialDetails(
        sweep=experiment.name,
        sweep_id=sweep_id,
        run_id=trial.run_id,
        result=result,
        heads={name: head.unit for name, head in experiment.heads.items()},
        score_metrics=experiment.score_metrics,
        fixed=experiment.space.fixed,
        recipe=recipe,
        picture=draw_network(recipe.architecture, list(inputs), columns, recipe.encoded_width(inputs.values())),
        parameters=recipe.parameters(inputs.values()) or None,
        lanes=_lanes(result.score, experiment.phase_of(result.score).seeds),
        curves=trial.curves,
        replay=f"branchsweep replay {trial.run_id[:12]}{where}",
    )


def find_trial(results: Sequence[Result], number: int, where: str) -> Result:
    """The trial of this number.

    Args:
        results: All trials of the sweep, in order of their numbers.
        number: The number.
        where: What messages call the sweep.

    Raises:
        ConfigError: There is no such trial.
    """
    found = next((result for result in results if result.trial.number == number), None)
    if found is None:
        there = f"its {len(results)} trials are numbered up to {results[-1].trial.number}" if results else "it has none yet"
        raise ConfigError(f"has no trial {number}; {there}", where)
    return found


def _lanes(score: Score, seeds: int) -> dict[str, dict[str, float]]:
    """The scores of each lane by head; lanes are in order of (fold, seed)."""
    count = max(map(len, score.lane_scores.values()), default=0)
    return {
        f"fold {lane // seeds}, seed {lane % seeds}": {head: scores[lane] for head, scores in score.lane_scores.items()}
        for lane in range(count)
    }
