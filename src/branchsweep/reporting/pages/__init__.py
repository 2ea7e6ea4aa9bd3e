"""HTML pages of a sweep, filled from the Jinja templates in `templates/`.

Open `sweep_page` first, the report: its texts are in `sweep_sentences`, its tables in `leaderboard` and `model_rows`, its
figures in `drawn_figures`. Then open `live_page`, which shows a sweep while it runs. `html` renders them.
"""
