"""Renders results as text for the terminal: one module per kind of result.

Open `sweep_summary` first. `layout` holds what all share; `responsive_table` and `score_table` fit narrow terminals.
"""
