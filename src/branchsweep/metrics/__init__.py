"""Scores of predictions, objectives, and significance tests.

Read `scores.py` first: it computes the scores of predictions by head, against `actual.py`, of which some may be missing.
`functions.py` has the function of each metric, `names.py` its label and direction; metrics of some heads only are in
`classification.py`, `multiclass.py`, `deviance_scores.py`, `several_quantiles.py` and `relative_rmse.py`. `objectives.py`
evaluates scores by what a search maximizes, `running_evaluation.py` keeps the best trial up to date, `collapse.py` finds
networks that learnt nothing, `selection_bias.py` says what choosing by scores adds to them.

`significance.py` has the tests by which promotion is decided, `paired_tests.py` those of two classifiers, `five_by_two_cv.py`
those of comparisons; `comparison_result.py` is the result of a comparison, and `comparison_conclusions.py` puts it into
sentences. Of a model, `prediction_intervals.py` says how far it errs, `permutation_importance.py` and `partial_dependence.py`
what it rests on, and `population_stability.py` how far a table has moved from its training rows.
"""
