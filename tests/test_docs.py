"""The pages: links lead somewhere, commands are what the command takes, and nothing that users meet is left out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer.main
from helpers import SRC

import twinshot
from twinshot.bench.results import open_results
from twinshot.bench.sets import SETS
from twinshot.cli.main import app
from twinshot.engines.loading import ENGINES
from twinshot.engines.models import manifest
from twinshot.match.tone import ToneModel
from twinshot.synth.profiles import PROFILES

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "docs" / "paper.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("weights/*.md")])
GUIDE = [page for page in PAGES if "notebook" not in page.parts and page.name not in ("CHANGELOG.md", "commands.md")]
RUN = ("twinshot --version", "twinshot models", "twinshot restore demo/noisy.jpg demo/blurry.jpg -o sharp.png")
"""Of all commands in the pages those that take a moment and need nothing."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language and the text of each fenced block, also of those within a list or a tab."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


def commands(page: Path) -> list[str]:
    """The lines that call twinshot, less comments, variables and what they are piped into."""
    lines = [line.strip() for language, text in blocks(page) if not language for line in text.splitlines()]
    calls = [re.match(r"(?:\$ )?(?:\w+=(?:\$\([^)]*\)|\S*) )?(twinshot [^#|]*)", line) for line in lines]
    return [call[1].strip() for call in calls if call and not call[1].startswith("twinshot: ")]


CALLS = sorted({(call, page.name) for page in PAGES for call in commands(page)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_sections_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8"))
    assert [
        (name, anchor) for name, anchor in links if anchor not in anchors(page.parent / name if name else page)
    ] == []


def anchors(page: Path) -> set[str]:
    """Of each heading, as GitHub and MkDocs make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_modules_named_in_the_pages_exist() -> None:
    named = re.findall(r"`((?:src/twinshot|tests|recipes|scripts|demo|docs|contrib)/[\w./-]+\.\w+)`", _all(PAGES))
    made_by_demo = {"demo/restored.png", "demo/sheet.png"}
    assert [name for name in named if not (ROOT / name).exists() and name not in made_by_demo] == []


def test_names_in_the_page_on_the_paper_are_in_the_code() -> None:
    """So that what it says of a function or a test can be looked up: a name that was changed is changed there, too."""
    spans = set(re.findall(r"`([A-Za-z_]\w*(?:\.\w+)*)`", PAPER.read_text("utf-8"))) - {"gopro_pairs"}
    tests = {name for name in spans if name.startswith("test_")}
    assert tests <= set(re.findall(r"def (test_\w+)\(", _code("tests")))
    words = set(re.findall(r"\w+", _code("src", "recipes", "scripts")))
    assert [name for name in spans - tests if not set(name.split(".")) <= words] == []


def test_the_page_on_the_paper_has_todays_figures() -> None:
    """Those that are measured with the benchmark; the others have their commands beside them."""
    results, page = open_results(ROOT / "docs" / "benchmark"), PAPER.read_text("utf-8")
    assert results.speed

    def scores(name: str, *systems: str) -> list[str]:
        rows = [results.sets[name].systems[system] for system in systems]
        return [f"{row.psnr:.2f} / {row.ssim_paper:.4f}".replace("/ 0", "/ ") for row in rows]

    compared = ("deblurgan", "srn", "merger", "rnn")
    (real,) = re.findall(r"^\| `real`, 3 \|.*", page, re.MULTILINE)
    assert re.findall(r"[\d.]+ / [\d.]+", real) == scores("real", *compared, "noise2noise", "noise2noise-gaussian")
    (seconds,) = re.findall(r"^\| \| ours, two cores of a processor \|.*", page, re.MULTILINE)
    assert re.findall(r"\d\.\d\d", seconds) == [f"{results.speed.systems[name].seconds:.2f}" for name in compared]
    both = [results.sets["paper"].systems[name].psnr for name in ("merger", "rnn")]
    assert "{:.1f} (DeblurMerger) and {:.1f} dB (DeblurRNN".format(*both) in " ".join(page.split())


@pytest.mark.parametrize(("call", "page"), CALLS)
def test_commands_in_the_pages_are_understood(call: str, page: str) -> None:
    """By the command's own parser; nothing is run."""
    _, *words = shlex.split(call)
    group = typer.main.get_command(app)
    with group.make_context("twinshot", words, resilient_parsing=False) as context:
        rest = [*context._protected_args, *context.args]
        if rest:
            name, command, more = group.resolve_command(context, rest)
            command.make_context(name, more, parent=context)


def test_there_are_commands_to_understand() -> None:
    assert len(CALLS) > 20
    assert {*RUN} <= {call for call, _ in CALLS}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the pages' commands name."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("*.png", "*.py"))
    return tmp_path


@pytest.mark.parametrize("call", RUN)
def test_cheap_commands_run(call: str, checkout: Path) -> None:
    words = [sys.executable, "-m", *shlex.split(call)]
    done = subprocess.run(words, cwd=checkout, env=_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_python_in_the_pages_is_python() -> None:
    snippets = [(page, text) for page in PAGES for language, text in blocks(page) if language == "python"]
    assert len(snippets) > 4
    for page, text in snippets:
        compile(text, str(page), "exec")


def test_python_that_needs_no_files_runs(tmp_path: Path) -> None:
    (snippet,) = [text for language, text in blocks(ROOT / "docs" / "python.md") if "random" in text]
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "(64, 96, 3)\n"), done.stderr


def test_the_page_of_commands_says_what_their_help_says() -> None:
    """So every option is documented: run scripts/commands.py after a change."""
    done = subprocess.run(
        [sys.executable, "-c", "import commands; print(commands.page(), end='')"],
        cwd=ROOT / "scripts",
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == done.stdout


def test_every_option_has_a_help() -> None:
    group = typer.main.get_command(app)
    options = [(name, item) for name, command in group.commands.items() for item in command.params]
    assert [(name, item.name) for name, item in options if item.opts[0].startswith("-") and not item.help] == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [("model", manifest()), ("profile", PROFILES), ("set", SETS), ("engine", ENGINES)],
    ids=["models", "profiles", "sets", "engines"],
)
def test_nothing_that_users_meet_is_documented_nowhere(kind: str, names: dict[str, object]) -> None:
    text = _all(GUIDE)
    assert [name for name in names if not re.search(rf"[`(, ]{re.escape(name)}[`,) ]", text)] == []


def test_the_page_on_the_report_has_every_key_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", (ROOT / "docs" / "report.md").read_text("utf-8"), re.MULTILINE)
    documented = {key: said for keys, said in rows for key in re.findall(r"`(\w+)`", keys)}
    assert set(documented) == set(get_type_hints(twinshot.Report))
    assert [model for model in get_args(ToneModel) if f"`{model}`" not in documented["tone"]] == []


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SRC), "COLUMNS": "200"}


def _code(*folders: str) -> str:
    """All code and recipes in these folders."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml")]
    return "\n".join(path.read_text("utf-8") for path in files)


def _all(pages: list[Path]) -> str:
    return "\n".join(page.read_text("utf-8") for page in pages)
