"""HTML pages: `sweep_page` and `comparison_page` fill the Jinja templates in `templates/` by way of `html`."""
