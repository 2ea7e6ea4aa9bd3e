"""How good predictions are, and whether a difference is more than chance.

Read `scores.py` first: it scores predictions per head. `objectives.py` ranks scores by what a search maximizes,
`incumbent.py` keeps the best trial up to date. `significance.py` has the tests that promotion rests on, `five_by_two_cv.py`
those of comparisons; `comparison_result.py` holds what a comparison found and `comparison_conclusions.py` puts it into
sentences.
"""
