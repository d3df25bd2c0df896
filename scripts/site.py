"""The documentation site beside what MkDocs does by itself: pages of the root become its pages, too.

MkDocs calls these functions (`hooks` in mkdocs.yml).
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ABOUT = ("CHANGELOG.md", "CONTRIBUTING.md", "MODEL_CARD.md", "SECURITY.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for name in ABOUT:
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between the root and docs/, as they are in the repository, to links within the site."""
    if page.file.src_uri in ABOUT:
        return re.sub(r"\]\(docs/", "](", markdown)
    return re.sub(rf"\]\((?:\.\./)+({'|'.join(map(re.escape, ABOUT))})", _up(page.file.src_uri), markdown)


def _up(name: str) -> str:
    return "](" + "../" * name.count("/") + r"\1"
