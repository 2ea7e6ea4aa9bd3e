"""Scores of predictions, objectives, and significance tests.

Read `scores.py` first: it computes the scores of predictions by head. `functions.py` has the function of each metric,
`names.py` its label and direction. `objectives.py` evaluates scores by what a search maximizes, `running_evaluation.py` keeps
the best trial up to date, `selection_bias.py` says what choosing by scores adds to them. `significance.py` has the tests by
which promotion is decided, `five_by_two_cv.py` those of comparisons; `comparison_result.py` is the result of a comparison, and
`comparison_conclusions.py` puts it into sentences.
"""
