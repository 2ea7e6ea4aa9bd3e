"""Pages that are made of other files than the Markdown of docs/: the first page, of the README, and whatever pages link to.

A link of a page leads to a place in the repository, so that it works where the page is read as a file. In the site it leads to
a page made of that place: a Markdown file as it is, a notebook as its texts and code, any other file as its code, a folder as
all its files.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
FROM_README = ("Two commands", "Your own table", "Documentation")
"""The sections of the README on the first page of the site, after its introduction."""

IN_NAVIGATION = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "experiments")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first page, and a page for every place in the repository that a page of the site links to."""
    files.append(File.generated(config, "index.md", content=first_page((ROOT / "README.md").read_text(encoding="utf-8"))))
    waiting = [*IN_NAVIGATION, *(place for file in files.documentation_pages() for place in linked_places(file.src_uri))]
    done = set()
    while waiting:
        place = waiting.pop()
        if place in done or files.get_file_from_path(page_of(place)):
            continue
        done.add(place)
        files.append(File.generated(config, page_of(place), content=content_of(place)))
        waiting += linked_places(page_of(place))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # called by name
    """The text of a page with links to pages of the site."""
    uri = page.file.src_uri
    if (place := place_of(uri)) is None:
        return markdown

    def rewritten(found: re.Match[str]) -> str:
        target = page_of(linked_from(place, found[1]))
        return f"]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}{found[2] or ''})"

    return LINK.sub(rewritten, markdown)


def first_page(readme: str) -> str:
    """The first page of the site."""
    introduction, *rest = re.split(r"^## (.*)\n", readme, flags=re.MULTILINE)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    return "".join([introduction, *(f"## {title}\n{sections[title]}" for title in FROM_README)])


def place_of(uri: str) -> str | None:
    """The file of the repository that a page is made of, relative to its root; None of a page made from code."""
    if uri == "index.md":
        return "README.md"
    if uri.startswith("repository/"):
        return uri.removeprefix("repository/")
    path = ROOT / "docs" / uri
    return next((str(file.relative_to(ROOT)) for file in (path, path.with_suffix(".ipynb")) if file.is_file()), None)


def page_of(place: str) -> str:
    """The page of a file or a folder of the repository."""
    if place == "README.md":
        return "index.md"
    uri = place.removeprefix("docs/") if place.startswith("docs/") else f"repository/{place}"
    if (ROOT / place).is_dir():
        return f"{uri}/index.md"
    if place.endswith(".ipynb"):
        return uri.removesuffix(".ipynb") + ".md"
    return uri if place.startswith("docs/") or uri.endswith(".md") else f"{uri}.md"


def linked_from(place: str, link: str) -> str:
    """The place that a link in a file leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def linked_places(uri: str) -> Iterator[str]:
    """The places that a page's file links to, if it is a Markdown file."""
    place = place_of(uri)
    if place is not None and place.endswith(".md") and (ROOT / place).is_file():
        for link, _ in LINK.findall((ROOT / place).read_text(encoding="utf-8")):
            yield linked_from(place, link)


def content_of(place: str) -> str:
    """The text of the page of a file or a folder."""
    path = ROOT / place
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        return "\n\n".join([f"# {path.name.capitalize()}", *map(part_of_folder, files)])
    if path.suffix == ".ipynb":
        return notebook(path)
    return path.read_text(encoding="utf-8") if path.suffix == ".md" else f"# {path.name}\n\n`{place}`\n\n{code_block(path)}"


def part_of_folder(path: Path) -> str:
    """What the page of a folder shows of a file: a link to a notebook, or the code."""
    if path.suffix == ".ipynb":
        return f"- [{notebook(path).partition(chr(10))[0].removeprefix('# ')}]({path.stem}.md)"
    return f"## {path.name}\n\n{code_block(path)}"


def notebook(path: Path) -> str:
    """The texts and the code of a notebook, with a link to the file below its title."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```" for cell, text in zip(cells, texts, strict=True)
    ]
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([title, f'<a href="{path.name}" download>{path.name}</a>', rest.strip(), *parts[1:]]) + "\n"


def code_block(path: Path) -> str:
    """A file's text as a block of code."""
    language = path.suffix.removeprefix(".") or path.name.lower()
    return f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"
