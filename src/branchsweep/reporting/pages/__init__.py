"""HTML pages of a sweep, filled from the Jinja templates in `templates/`; `html` renders a template."""
