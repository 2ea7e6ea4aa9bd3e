"""Results as text for the terminal: one module per kind of result, `formatting` for single numbers, `layout` for tables."""
