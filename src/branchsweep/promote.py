"""From the best trial to the champion: refit, one meeting with the test rows, a decision with its reason."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from branchsweep import packing, score
from branchsweep.data import Dataset, Split
from branchsweep.experiment import Experiment
from branchsweep.objective import ranked_by, spoken
from branchsweep.population import Weights
from branchsweep.recipe import Recipe
from branchsweep.roles import Candidate, Champion, Ledger, Trainer, Verdict, Watch
from branchsweep.summary import Crowning
from branchsweep.trial import HeadScore, Result

REFIT_SEEDS = 3
"""Fresh seeds that are tried until a refit does not diverge."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """The best recipe, trained anew on all training rows."""

    recipe: Recipe
    weights: Weights


def refit(experiment: Experiment, result: Result, trainer: Trainer, watch: Watch) -> Finalist | None:
    """Trains a trial's recipe anew on all training rows, from fresh seeds.

    There are no validation rows left to stop by, so it trains as many epochs as the trial's lanes needed for the weights that
    were scored, on average. None if it diverges from every seed.
    """
    stop = max(1, round(result.score.epochs))
    for seed in range(REFIT_SEEDS):
        (population,) = packing.pack([packing.refit_lane(result.trial, experiment, seed, stop)], experiment)
        watch.plan(stop, f"{experiment.name}: refit of trial {result.trial.number} on all training rows")
        ((_, outcome),) = trainer.train([population], keep_weights=True)
        (lane,) = outcome.lanes
        if not lane.failed_at and lane.weights is not None:
            return Finalist(population.recipes[0], lane.weights)
        watch.say(f"the refit diverged after epoch {lane.failed_at}; once more from another seed")
    return None


@contextmanager
def model_folder() -> Iterator[Path]:
    """A folder for a model's files until the registry has taken them."""
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        yield Path(folder)


def meet_test_rows(
    experiment: Experiment, finalist: Finalist, dataset: Dataset, split: Split, trainer: Trainer, folder: Path
) -> Mapping[str, HeadScore]:
    """Exports the finalist and measures what the exported files say on the test rows, head by head."""
    units = {name: head.unit for name, head in experiment.heads.items()}
    trainer.export(folder, finalist.recipe, finalist.weights, experiment.table.inputs, units)
    return score.measure(dataset.y[split.test], trainer.predict(folder, dataset.x[split.test]), list(experiment.heads))


def decide(champion: Champion | None, candidate: Candidate) -> Verdict:
    """Whether the candidate gets the title, and why, as a sentence.

    Both are compared by the validation figure that the search ranked them by, never by the test rows: choosing by those would
    use them up. Scores on another table or another split are not comparable, nor are other figures.
    """
    value, figure = candidate.value, spoken(candidate.rule)
    if champion is None:
        return Verdict(True, f"first of its name, with a {figure} of {value:.4f}")
    if champion.data_digest != candidate.data_digest:
        return Verdict(False, f"version {champion.version} was trained on another table, so their scores cannot be compared")
    if champion.split_digest != candidate.split_digest:
        return Verdict(False, f"version {champion.version} was scored on another split, so their scores cannot be compared")
    if champion.rule != candidate.rule:
        return Verdict(False, f"version {champion.version} was crowned for its {spoken(champion.rule)}, not for its {figure}")
    if not math.isfinite(champion.value) or value > champion.value:
        return Verdict(True, f"{figure} {value:.4f}, above {champion.value:.4f} of version {champion.version}")
    return Verdict(False, f"{figure} {value:.4f}, not above {champion.value:.4f} of version {champion.version}")


def model_name(experiment: Experiment, dataset: Dataset) -> str:
    """The name to register under; models of the stand-in never share a name with real ones."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy registers"
    return f"{experiment.promotion.model}-stand-in" if dataset.is_stand_in else experiment.promotion.model


def register(
    experiment: Experiment,
    winner: Result,
    test: Mapping[str, HeadScore],
    dataset: Dataset,
    split: Split,
    ledger: Ledger,
    folder: Path,
) -> Crowning:
    """Registers the exported finalist and gives it the title if it deserves it."""
    name = model_name(experiment, dataset)
    candidate = Candidate(
        model=name,
        folder=folder,
        result=winner,
        value=ranked_by(experiment.objective, winner.score.of_heads),
        rule=experiment.objective.rule_in_words,
        test=_test_metrics(test),
        data_digest=dataset.digest,
        split_digest=split.digest,
    )
    reigning = ledger.champion(name)
    if reigning and (reigning.sweep, reigning.trial) == (ledger.run_id, winner.trial.number):
        return Crowning(name, reigning.version, True, reigning.because)  # crowned before this sweep was cut short
    verdict = decide(reigning, candidate)
    registered = ledger.crown(candidate, verdict)
    return Crowning(name, registered.version, verdict.crown, verdict.because)


def _test_metrics(test: Mapping[str, HeadScore]) -> dict[str, float]:
    metrics = {"test_r2/mean": score.mean_r2(test)}
    for head, figures in test.items():
        metrics |= {f"test_r2/{head}": figures.r2, f"test_rmse/{head}": figures.rmse, f"test_mae/{head}": figures.mae}
    return metrics
