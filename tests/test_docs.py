"""Links between the pages lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("weights/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_modules_named_in_the_pages_exist():
    named = re.findall(r"`((?:src/twinshot|recipes|scripts|demo|docs)/[\w./-]+\.\w+)`", "".join(map(_text, PAGES)))
    made_by_demo = {"demo/restored.png", "demo/sheet.png"}
    assert [name for name in named if not (ROOT / name).exists() and name not in made_by_demo] == []


def _text(page):
    return page.read_text("utf-8")
