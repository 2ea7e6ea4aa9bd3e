"""HTML pages of a sweep, filled from the Jinja templates in `templates/`: open `sweep_page` first; `html` renders one."""
