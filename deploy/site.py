"""A hook of MkDocs: files outside `docs/` that are pages of the site, and links as they work on the site.

The Markdown files link to each other by their paths in the repository, so that the links work there. On the site, a link to a
page leads to the page, and a link to any other file leads to the repository, or is plain text while the site does not
know its address (`repo_url` in `mkdocs.yml`).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "tests/README.md": "tests.md",
    "models/weights/MODEL_CARD.md": "model_card.md",
}
"""Pages of the site by their file in the repository."""
RUNBOOKS = "runbooks/index.md"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are outside `docs/`, and a list of the runbooks."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    names = sorted(path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md"))
    lines = ["# Runbooks", "", "There is one for each alert.", "", *(f"- [{name}]({name}.md)" for name in names), ""]
    files.append(File.generated(config, RUNBOOKS, content="\n".join(lines)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of a page."""
    here = page.file.src_uri
    if here == RUNBOOKS:
        return markdown
    sources = {page: source for source, page in PAGES.items()}
    folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def rewritten(link: re.Match[str]) -> str:
        image, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        if re.match(r"[a-z]+:", target):
            return link[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists():
            return link[0]  # MkDocs reports it
        uri = RUNBOOKS if path == "docs/runbooks" else PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(uri) and (path in PAGES or path.startswith("docs/")):
            return f"{image}[{text}]({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{anchor})"
        return f"[{text}]({config.repo_url}/blob/main/{path})" if config.repo_url else text

    return _LINK.sub(rewritten, markdown)
