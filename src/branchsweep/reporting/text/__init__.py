"""Renders results as text for the terminal: one module per kind of result; `layout` holds what the tables share."""
