"""Write docs/commands.md: every command and option, in the words of the command's own help.

python scripts/commands.py
"""

import inspect
from pathlib import Path
from typing import Any

import typer.main

from twinshot.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
HEAD = """# Commands and options

Written by `python scripts/commands.py` from what `twinshot COMMAND --help` says. `twinshot --version` prints the
version; `twinshot --debug COMMAND` shows the traceback of an error. Exit codes: 0 done, 1 a picture of a batch failed,
2 nothing could be done, 130 Ctrl-C.

Environment: `TWINSHOT_DATA` stands for `--data`, `TWINSHOT_ENGINE` for `--engine`, `TWINSHOT_TOKEN` for `--token`, and
`TWINSHOT_WEIGHTS` names a folder of models.
"""


def page() -> str:
    """The page as Markdown."""
    group = typer.main.get_command(app)
    return "\n".join([HEAD, *(section(name, command) for name, command in group.commands.items())])


def section(name: str, command: Any) -> str:
    """One command: what it does, and a table of its options."""
    arguments = " ".join(argument(item) for item in command.params if not is_option(item))
    rows = [f"| {spelled(item)} | {said(item)} |" for item in command.params if is_option(item)]
    about = inspect.cleandoc(command.help or "")
    lines = [f"## {name}", "", f"    twinshot {name} {arguments}".rstrip(), "", about, ""]
    return "\n".join([*lines, "| option | |", "| --- | --- |", *rows, ""])


def is_option(item: Any) -> bool:
    """Whether it is written with dashes."""
    return item.opts[0].startswith("-")


def argument(item: Any) -> str:
    """As the usage line has it."""
    return item.metavar or item.name.upper()


def spelled(item: Any) -> str:
    """`--name` with what follows it."""
    takes = "" if item.is_flag else f" {item.name.upper()}"
    return ", ".join(f"`{name}{takes if name.startswith('--') else ''}`" for name in sorted(item.opts, key=len))


def said(item: Any) -> str:
    """Its help, with the default where there is one to tell."""
    text = " ".join((item.help or "").split()).replace("|", "\\|")
    plain = item.is_flag or item.default in (None, "") or callable(item.default)
    return text if plain else f"{text} Default: {item.default}."


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
