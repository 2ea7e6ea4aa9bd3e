"""Experiments and comparisons from YAML files and back, with messages that name file and line.

Read `loading.py` first, which shows how a file becomes a value. `yaml_parser.py` is the one module that imports the parser;
`yaml_document.py` is a file as plain data that knows where each key stands. `deprecated_keys.py`, `shorthands.py`,
`overrides.py` and `comparison_experiments.py` change a document before `document_validation.py` makes a value of it;
`messages.py` and `schema_lookup.py` word what is wrong.

`recorded.py` writes and reads the text that stores keep, `json_schema.py` describes the files to editors.
"""
