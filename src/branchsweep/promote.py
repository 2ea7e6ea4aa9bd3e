"""From the confirmed finalist to the champion: refit, one meeting with the test rows, a decision on evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from branchsweep import card, config, ensemble, evidence, packing, score
from branchsweep.confirm import Confirmed, Contender, confirm, finalist_of
from branchsweep.data import Dataset, Split
from branchsweep.errors import ConfigError
from branchsweep.experiment import Experiment
from branchsweep.objective import Judge, ranked_by
from branchsweep.population import Floats, Line, TrainingRows
from branchsweep.roles import Candidate, Champion, FinishedModel, Ledger, Member, Provenance, Trainer, Verdict, Watch
from branchsweep.summary import Crowning
from branchsweep.trial import HeadScore, Result, Trial

SPARE_SEEDS = 2
"""Fresh seeds that are tried beyond those that are needed, in case a refit diverges."""


def members_of(
    finalist: Confirmed,
    confirmed: Sequence[Confirmed],
    experiment: Experiment,
    rows: TrainingRows,
    judged: Judge,
    trainer: Trainer,
    watch: Watch,
) -> list[Member]:
    """The networks of the model that leaves the house, trained anew on all training rows; none if all diverge.

    One of the finalist's recipe; or, where an ensemble is asked for, so many of it from as many seeds, or of the recipes that
    a greedy choice takes on the predictions that the confirmation made for rows that its networks had not learnt from.
    """
    policy = experiment.promotion.ensemble if experiment.promotion else None
    if policy is None:
        return refits([(finalist, 1)], trainer, watch)[0]
    if policy.choose == "seeds":
        return _averaged(refits([(finalist, policy.size)], trainer, watch), [1.0])
    standing = [each for each in confirmed if each.contender.searched is not None and each.r2]
    predictions = {place: each.predictions for place, each in enumerate(standing)}
    shares = ensemble.greedy(predictions, rows.y, list(experiment.heads), policy.size, judged.objective)
    wanted = [(standing[place], max(1, round(share * policy.size))) for place, share in shares.items()]
    groups = refits(wanted, trainer, watch)
    return _averaged(groups, list(shares.values()))


def refits(wanted: Sequence[tuple[Confirmed, int]], trainer: Trainer, watch: Watch) -> list[list[Member]]:
    """Trains recipes anew on all training rows, each from so many fresh seeds, all of them side by side.

    There are no validation rows left to stop by, so a recipe trains as many epochs as its confirmed lanes needed for weights
    that were scored, on average. Networks that diverge are replaced from other seeds, as far as that goes.

    Args:
        wanted: Recipes of one experiment, each with the number of networks.
        trainer: Trains.
        watch: Is told how it goes.
    """
    members: list[list[Member]] = [[] for _ in wanted]
    first = 0
    for spare in (0, SPARE_SEEDS):
        lanes = [
            packing.refit_lane(one.contender.trial, one.contender.experiment, first + seed, max(1, round(one.score.epochs)))
            for (one, count), found in zip(wanted, members, strict=True)
            for seed in range(spare or count)
            if len(found) < count
        ]
        named = ", ".join(one.contender.name for one, _ in wanted)
        trained = _trained(lanes, named, wanted[0][0].contender.experiment, trainer, watch)
        for (one, count), found in zip(wanted, members, strict=True):
            mine = [trained[trial, seed] for trial, seed in sorted(trained) if trial == one.contender.trial.number]
            found.extend(mine[: count - len(found)])
        first = max(count for _, count in wanted)
    return members


def _trained(
    lanes: Sequence[packing.Lane], named: str, experiment: Experiment, trainer: Trainer, watch: Watch
) -> dict[tuple[int, int], Member]:
    """By (trial, seed), the lanes that did not diverge."""
    if not lanes:
        return {}
    populations = packing.pack(lanes, experiment, trainer.workshop)
    watch.plan(sum(lane.stop for lane in lanes), f"{named}, {len(lanes)} in all, on all training rows")
    trained: dict[tuple[int, int], Member] = {}
    for position, outcome in trainer.train(Line(populations), keep_weights=True):
        of = populations[position]
        for trial, seed, recipe, lane in zip(of.trials, of.seeds, of.recipes, outcome.lanes, strict=True):
            if lane.failed_at:
                watch.say(f"a refit of trial {trial} diverged after epoch {lane.failed_at}; once more from another seed")
            elif lane.weights is not None:
                trained[trial, seed] = Member(recipe, lane.weights, epochs=lane.epochs)
    return trained


def _averaged(groups: Sequence[Sequence[Member]], shares: Sequence[float]) -> list[Member]:
    """All members, those of a group with its share in equal parts; groups that are empty leave theirs to the others."""
    standing = [(group, share) for group, share in zip(groups, shares, strict=True) if group]
    total = sum(share for _, share in standing)
    return [replace(member, share=share / total / len(group)) for group, share in standing for member in group]


@contextmanager
def model_folder() -> Iterator[Path]:
    """A folder for a model's files until the registry has taken them."""
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        yield Path(folder)


def meet_test_rows(
    experiment: Experiment,
    members: Sequence[Member],
    dataset: Dataset,
    split: Split,
    trainer: Trainer,
    folder: Path,
) -> Floats:
    """Exports the model, and returns what its files say of the test rows: `(test rows, heads)`."""
    units = {name: head.unit for name, head in experiment.heads.items()}
    trainer.export(folder, FinishedModel(members, experiment.table.inputs, units, Provenance.of(experiment)))
    return trainer.predict(folder, dataset.x[split.test])


@dataclass(frozen=True, slots=True)
class Reigning:
    """Who holds the title, as far as it can be put to the test here.

    Args:
        champion: Who.
        contender: How it was made, to be trained again on the rows of this sweep; None where that cannot be.
        why_not: Why it cannot be; empty where it can.
        is_fair: Whether it has not learnt from any of the test rows of this sweep, for they were its own.
    """

    champion: Champion
    contender: Contender | None
    why_not: str = ""
    is_fair: bool = False


def reigning(experiment: Experiment, dataset: Dataset, ledger: Ledger) -> Reigning | None:
    """The champion under the name that the finalist would be registered under; None for none.

    Its recipe is trained again on the folds of this sweep, so it does not matter that it was scored on other rows.
    """
    if experiment.promotion is None:
        return None
    champion = ledger.champion(model_name(experiment, dataset))
    if champion is None:
        return None
    name = f"version {champion.version}"
    with ledger.files(champion.model, champion.version) as folder:
        file = folder / "experiment.yaml"
        yaml = file.read_text(encoding="utf-8") if file.is_file() else ""
    if not yaml:
        return Reigning(champion, None, f"{name} does not say how it was made, so nothing speaks for it")
    try:
        its = config.recorded(yaml, name)
    except ConfigError as error:
        return Reigning(
            champion, None, f"{name} was made by another version of branchsweep and cannot be trained again ({error})"
        )
    ours, theirs = (f"{list(one.columns)} from {one.table.inputs}" for one in (experiment, its))
    if ours != theirs:
        raise ConfigError(
            f"promotion.model: {name} of '{champion.model}' predicts {theirs}, this experiment {ours}: choose another name"
        )
    alike = its.model_copy(update={"seed": experiment.seed, "validation": experiment.validation})
    is_fair = champion.data_digest == dataset.digest and its.test == experiment.test
    return Reigning(champion, Contender(name, alike, Trial(champion.trial, champion.params)), is_fair=is_fair)


def model_name(experiment: Experiment, dataset: Dataset) -> str:
    """The name to register under; models of the stand-in never share a name with real ones."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy registers"
    return f"{experiment.promotion.model}-stand-in" if dataset.is_stand_in else experiment.promotion.model


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of the final.

    Args:
        confirmed: What all contenders are worth.
        finalist: Which of the trials went on; None if none could.
        test_r2: R² of the finished model on the test rows, by head; None where it did not come to that.
        members: Networks whose mean the model is.
        crowning: What the registry holds; None where nothing was registered.
        verdict: What was decided about the title; None where there is none to decide about.
        predictions: `(test rows, heads)` what the finished model says of the test rows, in natural units; None for none.
    """

    confirmed: tuple[Confirmed, ...]
    finalist: Confirmed | None
    test_r2: Mapping[str, float] | None = None
    members: int = 0
    crowning: Crowning | None = None
    verdict: Verdict | None = None
    predictions: Floats | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Final:
    """The end of a sweep: what the finalist goes through.

    Args:
        experiment: Gives the policy.
        rows: The training rows with all folds.
        dataset: The table.
        split: Where the test rows are.
        trainer: Trains and exports.
        ledger: Registers.
        watch: Is told about it.
    """

    experiment: Experiment
    rows: TrainingRows
    dataset: Dataset
    split: Split
    trainer: Trainer
    ledger: Ledger
    watch: Watch

    def hold(
        self, best: Sequence[Contender], networks: Sequence[Contender], judged: Judge, is_rehearsal: bool = False
    ) -> Ending:
        """Confirms all contenders, refits the finalist, has it meet the test rows once, decides about the title, registers.

        Args:
            best: The trials of which one is to be the finalist.
            networks: What it is compared with.
            judged: By which objective, and under which constraints.
            is_rehearsal: The decision is made and told, and nothing is registered; the test rows are left alone.
        """
        reign = reigning(self.experiment, self.dataset, self.ledger)
        rivals = [reign.contender] if reign and reign.contender else []
        confirmed = confirm([*best, *rivals, *networks], self.experiment, self.rows, self.trainer, self.watch)
        finalist = finalist_of(confirmed, self.experiment, judged)
        if finalist is None:
            return Ending(tuple(confirmed), None)
        if is_rehearsal:
            return Ending(tuple(confirmed), finalist, verdict=self._decide(finalist, None, reign, confirmed))
        return self._crown(finalist, confirmed, reign, judged)

    def _crown(self, finalist: Confirmed, confirmed: Sequence[Confirmed], reign: Reigning | None, judged: Judge) -> Ending:
        members = members_of(finalist, confirmed, self.experiment, self.rows, judged, self.trainer, self.watch)
        if not members:
            return Ending(tuple(confirmed), finalist)
        heads = list(self.experiment.heads)
        with model_folder() as folder:
            predictions = meet_test_rows(self.experiment, members, self.dataset, self.split, self.trainer, folder)
            test = score.measure(self.dataset.y[self.split.test], predictions, heads)
            crowning, verdict = None, None
            if self.experiment.promotion:
                self.watch.stage("registering the model")
                verdict = replace(
                    self._decide(finalist, predictions, reign, confirmed), against=reign.champion.version if reign else 0
                )
                crowning = self._register(finalist, members, test, verdict, reign, folder)
        test_r2 = {head: figures.r2 for head, figures in test.items()}
        return Ending(tuple(confirmed), finalist, test_r2, len(members), crowning, verdict, predictions)

    def _decide(
        self, finalist: Confirmed, predictions: Floats | None, reign: Reigning | None, confirmed: Sequence[Confirmed]
    ) -> Verdict:
        """Whether the finalist gets the title: see `evidence.decide`, which has the last word."""
        assert self.experiment.promotion is not None, "only an experiment with a promotion policy decides"
        rival = next((each for each in confirmed if reign and each.contender is reign.contender), None)
        if reign and rival is None:
            return Verdict(True, reign.why_not)
        if rival and not rival.r2:
            return Verdict(True, f"{rival.contender.name} failed when it was trained again ({rival.score.reason})")
        met, actual = None, None
        if reign and reign.is_fair and predictions is not None:
            with self.ledger.files(reign.champion.model, reign.champion.version) as folder:
                met = self.trainer.predict(folder, self.dataset.x[self.split.test])
            actual = self.dataset.y[self.split.test]
        learning, validation = self.split.confirmation[0]
        return evidence.decide(
            self.experiment.promotion.gate,
            self.experiment.objective,
            _standing(rival, met) if rival else None,
            _standing(finalist, None if actual is None else predictions),
            actual,
            len(validation) / (len(learning) + len(validation)),
            self.experiment.seed,
        )

    def _register(
        self,
        finalist: Confirmed,
        members: Sequence[Member],
        test: Mapping[str, HeadScore],
        verdict: Verdict,
        reign: Reigning | None,
        folder: Path,
    ) -> Crowning:
        """Registers the exported model, and gives it the title if the verdict says so."""
        name, trial, searched = model_name(self.experiment, self.dataset), finalist.contender.trial, finalist.contender.searched
        assert searched is not None, "the finalist is one of the search's trials"
        champion = reign.champion if reign else None
        if champion and (champion.sweep, champion.trial) == (self.ledger.run_id, trial.number):
            return Crowning(name, champion.version, True, champion.because)  # crowned before this sweep was cut short
        told = (self.experiment, finalist, members, test, verdict, self.rows.ranges, self.dataset, self.split)
        candidate = Candidate(
            model=name,
            folder=folder,
            result=Result(trial, searched),
            value=ranked_by(self.experiment.objective, finalist.score.of_heads),
            rule=self.experiment.objective.rule_in_words,
            test=test_metrics(test),
            data_digest=self.dataset.digest,
            split_digest=self.split.digest,
            files={"MODEL_CARD.md": "\n".join(card.lines(*told)) + "\n"},
        )
        registered = self.ledger.crown(candidate, verdict)
        return Crowning(name, registered.version, verdict.crown, verdict.because)


def _standing(one: Confirmed, predictions: Floats | None) -> evidence.Standing:
    keys = sorted(one.r2)
    heads = list(one.contender.experiment.heads)
    return evidence.Standing(
        name=one.contender.name,
        r2={head: tuple(one.r2[key][head] for key in keys) for head in heads},
        folds=tuple(fold for fold, _ in keys),
        predictions=predictions,
    )


def test_metrics(test: Mapping[str, HeadScore]) -> dict[str, float]:
    """Figures on the test rows by the names that they have in the store."""
    metrics = {"test_r2/mean": score.mean_r2(test)}
    for head, figures in test.items():
        metrics |= {f"test_r2/{head}": figures.r2, f"test_rmse/{head}": figures.rmse, f"test_mae/{head}": figures.mae}
    return metrics
