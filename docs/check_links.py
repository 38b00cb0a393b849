"""Every link within the built pages leads to a page, a file and a place that exist.

    python docs/check_links.py docs/_build

Sphinx checks what it resolves by itself; this sees the rest: links written as HTML, those of the theme, and pictures.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The places of a page that links may lead to, and the links that it has."""

    def __init__(self, path):
        super().__init__()
        self.places, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.places.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken(folder):
    """Links that lead nowhere, each with the page that has it."""
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                yield f"{path.relative_to(folder)}: {link}"


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1]).resolve()))
    sys.exit("\n".join(found) or 0)
