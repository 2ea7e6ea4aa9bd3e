"""Any engine as a driver: trials come in rounds, nothing is asked twice, and a resumed sweep asks what it would have asked.

Round r holds the numbers from r * batch to (r + 1) * batch - 1. What is asked as trial n is a function of

- the answers to all trials before round r - a, where a (`search.ahead`) is how many rounds are asked ahead,
- the questions (not the answers) of all other trials before n,
- the experiment's seed and n,

and of nothing else: not of how many trials were asked at once, of the process that asked, or of which round was over first.
That is why a resumed sweep asks what an uninterrupted one would have asked, wherever in a round it was killed, and why it does
not matter who trains, and how fast. The questions still open are "constant liars" for engines that know such a thing
(Ginsbourger, Le Riche, Carraro 2010, Kriging is well-suited to parallelize optimization): they repel the next.

Nothing of an engine is persisted. One whose suggestions follow from questions and answers is told them; one with a state of its
own is asked all that it was asked once more, which brings it to the same state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count

import numpy as np

from branchsweep import halving
from branchsweep.drivers.engine import Answer, Engine
from branchsweep.drivers.history import History
from branchsweep.drivers.points import Stream, draws, entropy, located, point_at
from branchsweep.experiment import Experiment, Objective
from branchsweep.objective import Judge, Values, judge, values
from branchsweep.trial import Params, Result, Score, Status, Trial

STARTUP = 16
"""Trials that are spread evenly before an engine that wants that is asked; the first round in any case."""

TRIES = 8
"""Suggestions for one trial; when all were asked before, an evenly spread or random point is asked instead."""


class RoundDriver:
    """Plays `roles.Driver` over an engine.

    Args:
        experiment: Gives the space, the objective, the seed, the size of a round and the known configurations.
        open_engine: Makes an engine that was asked nothing and told nothing.
        prior: Results of earlier sweeps over the same space, which the engine learns from before the first trial.
    """

    def __init__(self, experiment: Experiment, open_engine: Callable[[], Engine], prior: Sequence[Result] = ()) -> None:
        self._experiment, self._open_engine, self._prior = experiment, open_engine, prior
        self._known = list(experiment.search.known.items())
        self._history = History(experiment)
        self._begin()

    def ask(self, count: int) -> list[Trial]:
        """The next trials of the present round; fewer than `count` where the round ends or nothing new is left to ask."""
        trials: list[Trial] = []
        end = self._round(self._history.next_number) + self._batch
        while len(trials) < count and self._history.next_number < end:
            trial = self._question(self._history.next_number)
            if trial is None:
                break
            self._history.note(trial)
            trials.append(trial)
        return trials

    def tell(self, result: Result) -> None:
        """Learn one result; it is made use of from the round after its own, or as many later as are asked ahead."""
        self._history.tell(result)
        if result.trial.number < self._settled:
            self._begin()

    @property
    def _batch(self) -> int:
        return self._experiment.batch

    def _round(self, number: int) -> int:
        """The first number of the round that `number` stands in."""
        return number - number % self._batch

    def _begin(self) -> None:
        """An engine that knows nothing but what was before the sweep."""
        self._engine = self._open_engine()
        self._at, self._settled = 0, 0  # the number it would be asked next; the first of those whose answers it waits for
        self._open: list[tuple[int, int]] = []  # in the order of keeping: since which trial, and whose answer it waits for
        self._lesson = Lesson(self._experiment.objective)
        if self._prior:
            self._learn_prior()

    def _learn_prior(self) -> None:
        lesson, unbound = Lesson(self._experiment.objective), Judge.unbound(self._experiment.objective)
        lesson.take(0, self._prior)
        told: list[Answer | None] = []
        for result in self._prior:
            point = located(self._experiment, result.trial.params)
            if point is not None:
                self._engine.keep(point)
                told.append(lesson.answer(0, result.score, unbound))
        self._engine.settle(told)

    def _question(self, number: int) -> Trial | None:
        if self._at > number:
            self._begin()
        while self._at < number:
            self._pass()
        self._settle_before(number)
        if number < len(self._known):
            name, known = self._known[number]
            trial = Trial(number, dict(known), known=name)
        else:
            params = self._choose(number)
            if params is None:
                return None
            trial = Trial(number, params)
        self._keep(trial)
        return trial

    def _pass(self) -> None:
        """Winds the engine past a question that was asked before."""
        number = self._at
        self._settle_before(number)
        if self._engine.replays and number >= len(self._known):
            self._choose(number)
        self._keep(self._history.trial(number))

    def _keep(self, trial: Trial) -> None:
        point = located(self._experiment, trial.params)
        if point is not None:  # a known configuration may be no point of the space
            self._engine.keep(point)
            self._open.append((trial.number, trial.number))
        self._at = trial.number + 1

    def _settle_before(self, number: int) -> None:
        """Where a round begins, the engine learns what has come of the one before it, or of one so many rounds earlier."""
        before = self._round(number) - self._experiment.ahead * self._batch
        if before <= self._settled:
            return
        judged = judge(self._experiment.objective, self._history.answers(0, min(before, len(self._known))))
        self._lesson.take(self._settled, self._history.answers(self._settled, before))
        due = sum(since < before for since, _ in self._open)
        results = [self._history.answer(whose) for _, whose in self._open[:due]]
        answers = [
            self._lesson.answer(self._round(result.trial.number), result.score, judged) if result else None
            for result in results
        ]
        self._engine.settle(answers)
        self._open, self._settled = self._open[due:], before

    def _choose(self, number: int) -> Params | None:
        """The first suggestion that is new, else the first other point that is; None where there is nothing new to ask.

        An engine with a state of its own learns of a repeat what has come of the first trial of that recipe.
        """
        experiment, history, engine = self._experiment, self._history, self._engine
        anew = experiment.search.repeats == "reseed"
        waits = engine.spreads and number < max(STARTUP, self._batch * (1 + experiment.ahead))
        for attempt in count() if engine.enumerates else range(0 if waits else TRIES):
            suggested = engine.suggest(number, attempt)
            if suggested is None:
                break
            earlier = history.asked_before(suggested, number)
            if earlier is None or (anew and not engine.enumerates):
                return suggested
            if engine.replays:
                engine.keep(suggested)
                self._open.append((number, earlier))
        if engine.enumerates:
            return None
        others = draws(experiment.space, entropy(experiment, Stream.FILL, number))
        if engine.spreads:
            others = chain([point_at(experiment.space, _sobol(experiment, number))], others)
        return next((point for point in others if anew or history.asked_before(point, number) is None), None)


class Lesson:
    """What an engine learns from scores: each as the answer that it is in the light of the others.

    Args:
        objective: What the search is for.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._rounds: dict[int, list[Score]] = {}
        self._gains: dict[tuple[int, int], Mapping[str, float]] = {}
        self._worst: Values = (0.0,) * len(objective.maximize)

    def take(self, of_round: int, results: Iterable[Result]) -> None:
        """The scores of a round."""
        self._rounds[of_round] = scores = [result.score for result in results if _is_measured(result.score)]
        for score in scores:
            self._worst = tuple(map(min, self._worst, values(self._objective, score.of_heads)))

    def answer(self, of_round: int, score: Score, judged: Judge) -> Answer:
        """The answer that the score of a trial of this round is."""
        if not _is_measured(score):
            return Answer(Status.FAILED, (), self._worst, (), 0)
        expected = score.of_heads
        if score.status is Status.PRUNED:
            gains = self._gain(of_round, max(score.rungs, default=0))
            expected = {head: r2 + gains.get(head, 0.0) for head, r2 in expected.items()}
        return Answer(
            status=score.status,
            values=judged.values(score),
            expected=values(self._objective, expected),
            violations=judged.violations(score),
            epoch=max(1, round(score.epochs)),
        )

    def _gain(self, of_round: int, rung: int) -> Mapping[str, float]:
        """By head, what the trials of a round that went on from a rung to their end gained on the way, on average."""
        if (of_round, rung) not in self._gains:
            self._gains[of_round, rung] = halving.gain(self._rounds[of_round], rung)
        return self._gains[of_round, rung]


def _is_measured(score: Score) -> bool:
    return score.status is not Status.FAILED and bool(score.heads) and all(math.isfinite(r2) for r2 in score.of_heads.values())


def _sobol(experiment: Experiment, number: int) -> list[float]:
    """Point `number` of a scrambled Sobol sequence (Owen 1998) with one coordinate in [0, 1) for each dimension."""
    dimensions = len(experiment.space.dimensions)
    if dimensions == 0:
        return []
    from scipy.stats import qmc  # noqa: PLC0415  # costs half a second, and random search has no use for it

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(entropy(experiment, Stream.SOBOL)))
    # Whole powers of two, as scipy wants them; the points do not depend on how many are made.
    return [float(unit) for unit in sequence.random_base2(number.bit_length())[number]]
