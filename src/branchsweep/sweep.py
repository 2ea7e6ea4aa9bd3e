"""The sweep: ask, pack, train, grade, tell, record, again; then refit the best, meet the test rows once, and promote."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep import config, digest, environment, promote
from branchsweep.answer import answer, training_rows
from branchsweep.compare import Contestant, references
from branchsweep.data import Dataset, Split
from branchsweep.experiment import Experiment
from branchsweep.population import TrainingRows
from branchsweep.roles import Conclusion, Driver, Ledger, SweepRecord, Trainer, Watch
from branchsweep.summary import Best, Crowning, Summary
from branchsweep.trial import Result, Status, best

SUMMARY = "summary"
"""The tag that holds a finished sweep's summary."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Who does the work."""

    driver: Driver
    trainer: Trainer
    ledger: Ledger
    watch: Watch


def run(experiment: Experiment, contestants: Sequence[Contestant], dataset: Dataset, split: Split, engines: Engines) -> Summary:
    """A sweep from beginning to end.

    Args:
        experiment: The question and the means.
        contestants: What the best trial is compared with.
        dataset: The table.
        split: Which of its rows train, validate and test.
        engines: Who does the work. What the ledger has recorded of this sweep is not done again.
    """
    began = time.perf_counter()
    rows = training_rows(dataset, split)
    results = search(experiment, rows, engines)
    counts = Counter(result.score.status for result in results)
    winner = best(results)
    test, champion = crown(experiment, winner, dataset, split, engines) if winner else (None, None)
    compared = references(contestants, rows, dataset, split, list(experiment.heads), engines.trainer, engines.watch)
    summary = Summary(
        sweep=experiment.name,
        run_id=engines.ledger.run_id,
        data={"source": dataset.source, "digest": dataset.digest, "rows": dataset.rows, "location": dataset.location},
        trials={status.value.lower(): counts[status] for status in (Status.COMPLETE, Status.PRUNED, Status.FAILED)},
        best=_best(experiment, winner) if winner else None,
        test_r2=test,
        references=compared,
        champion=champion,
        seconds=time.perf_counter() - began,
    )
    engines.ledger.conclude(
        metrics={f"test_r2/{head}": r2 for head, r2 in (summary.test_r2 or {}).items()},
        tags={SUMMARY: summary.dumps()},
        files={"summary.json": summary.to_json() + "\n"},
    )
    return summary


def crown(
    experiment: Experiment, winner: Result, dataset: Dataset, split: Split, engines: Engines
) -> tuple[Mapping[str, float] | None, Crowning | None]:
    """Refits the winner, has the exported model meet the test rows once, and registers it.

    Returns:
        R² on the test rows by head, and what the registry holds; None each where it did not come to that.
    """
    finalist = promote.refit(experiment, winner, engines.trainer, engines.watch)
    if finalist is None:
        return None, None
    with promote.model_folder() as folder:
        test = promote.meet_test_rows(experiment, finalist, dataset, split, engines.trainer, folder)
        champion = None
        if experiment.promotion:
            engines.watch.say("registering the model")
            champion = promote.register(experiment, winner, test, dataset, split, engines.ledger, folder)
    return {head: figures.r2 for head, figures in test.items()}, champion


def search(experiment: Experiment, rows: TrainingRows, engines: Engines) -> list[Result]:
    """Ask, train, tell until the budget is spent or the driver has nothing left to ask.

    The ledger is the one history: a fresh driver is told the rounds that are recorded in full, asks the one that was cut short
    again, and only what is missing of it is trained.
    """
    driver, ledger, watch = engines.driver, engines.ledger, engines.watch
    total, batch = experiment.search.trials, experiment.search.batch
    recorded = {result.trial.number: result for result in ledger.recall() if result.trial.number < total}
    watch.begin(total, [recorded[number] for number in sorted(recorded)])
    results: list[Result] = []
    for number in range(_whole_rounds(recorded, batch, total)):
        driver.tell(recorded[number])
        results.append(recorded[number])
    while len(results) < total:
        trials = driver.ask(min(batch, total - len(results)))
        if not trials:
            watch.say(f"the search space is exhausted after {len(results)} trials")
            break
        answers = {trial.number: recorded[trial.number] for trial in trials if trial.number in recorded}
        missing = [trial for trial in trials if trial.number not in recorded]
        for result in answer(missing, experiment, rows, engines.trainer, watch, list(answers.values())):
            ledger.record([result])
            kept = result.without_curves()  # those of a long sweep would fill the memory
            watch.answered(kept)
            answers[result.trial.number] = kept
        for number in sorted(answers):
            driver.tell(answers[number])
            results.append(answers[number])
    return results


def record(experiment: Experiment, dataset: Dataset, split: Split) -> SweepRecord:
    """What the ledger writes down when the sweep begins.

    The key is a digest of all that decides which trials are asked and what they score: the same key is the same sweep, and a
    larger budget, another question or other baselines do not make it another one.
    """
    decisive = experiment.model_dump(exclude={"question": True, "baselines": True, "promotion": True, "search": {"trials"}})
    decisive["table"].pop("source")  # the digest of its contents says more
    return SweepRecord(
        name=experiment.name,
        key=digest.of_parts([json.dumps(decisive), dataset.digest, split.digest]),
        question=experiment.question,
        yaml=config.dump(experiment),
        heads={name: head.unit for name, head in experiment.heads.items()},
        tags={
            "data_source": dataset.source,
            "data_location": dataset.location,
            "data_digest": dataset.digest,
            "data_rows": str(dataset.rows),
            "split_digest": split.digest,
            "driver": experiment.search.driver,
            "algorithm": experiment.algorithm,
            "seed": str(experiment.seed),
            **environment.facts(),
        },
    )


def finished(experiment: Experiment, conclusion: Conclusion | None) -> Summary | None:
    """The summary of a sweep that has come to its end with as many trials as the experiment asks for, or None."""
    text = conclusion.tags.get(SUMMARY) if conclusion else None
    try:
        said = Summary.loads(text) if text else None
    except (KeyError, TypeError, ValueError):  # written by another version: concluding again costs a refit, no trial
        return None
    return said if said and sum(said.trials.values()) >= experiment.search.trials else None


def _whole_rounds(recorded: Mapping[int, Result], batch: int, total: int) -> int:
    """How many trials the rounds hold that are recorded without a gap."""
    gapless = next(number for number in range(total + 1) if number not in recorded)
    return gapless if gapless == total else gapless - gapless % batch


def _best(experiment: Experiment, winner: Result) -> Best:
    recipe = experiment.recipe(winner.trial.params)
    return Best(
        trial=winner.trial.number,
        params=winner.trial.params,
        recipe={**experiment.space.fixed, **winner.trial.params},
        r2=winner.score.r2,
        r2_se=winner.score.r2_se,
        parameters=recipe.architecture.parameters(len(experiment.table.inputs)),
    )
