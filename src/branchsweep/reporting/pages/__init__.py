"""HTML pages of a sweep, filled from the Jinja templates in `templates/`.

Open `sweep_page` first, the report, then `live_page`, which shows a sweep while it runs; `html` renders them.
"""
