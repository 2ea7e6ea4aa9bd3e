"""What people read about a comparison; open `table` first, whose rows and cells everything else here shows.

`text` renders it for the terminal, `figures` draws it, `page` fills the HTML page, `exports` writes CSV and Markdown, and
`files` lists all files that are kept with a finished comparison.
"""
