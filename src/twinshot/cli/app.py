"""What all commands share. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from typer.core import TyperCommand, TyperGroup

from ..picture.errors import InputError, TwinshotError, in_words

if TYPE_CHECKING:
    from ..progress import Progress, Stage


class _PlainFlags:
    """For commands: what takes no value shows none in the help, where typer has `<bool>`, as if it took one."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters, as typer's commands have them."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class _Group(_PlainFlags, TyperGroup):
    """All commands."""


class Command(_PlainFlags, TyperCommand):
    """One command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does. Raises InputError where what is no option is a file, or what should be a number is none."""
        before = args[: args.index("--")] if "--" in args else list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", "")  # typer keeps its own kinds of error to itself
            for name in filter(os.path.lexists, before):
                if option and _is_read_as(name, option):
                    said = f"{name}: was taken for an option; write ./{name}, or -- before the frames"
                    raise InputError(said) from error
            wanted = _number_wanted(getattr(error, "message", ""))
            if wanted:
                raise InputError(f"{error.param.opts[0]} {wanted}") from error  # type: ignore[attr-defined]
            raise


def _number_wanted(said: str) -> str:
    """What to give where typer says that a value is no number, or is out of range, in words for programmers."""
    for pattern, words in (
        (r"Input should be a valid number.*", "is a number; write it as 0.5"),
        (r"Input should be a valid integer.*", "is a whole number; write it as 8"),
        (r"Input should be greater than or equal to (.+)", r"is too small; give at least \1"),
        (r"Input should be less than or equal to (.+)", r"is too large; give at most \1"),
    ):
        if match := re.fullmatch(pattern, said):
            return match.expand(words)
    return ""


def _is_read_as(word: str, option: str) -> bool:
    """Whether a word holds an option: the whole of it after two dashes, one of its letters after one."""
    if word.startswith("--") or option.startswith("--"):
        return word.split("=")[0] == option
    return word.startswith("-") and option[1:] in word[1:]


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)


class _Notes(logging.Handler):
    """Says what the engines and training have to say, as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"note: {record.getMessage()}", markup=False)


logging.getLogger("twinshot").addHandler(logging.NullHandler())  # the command says warnings on pictures itself
for room in ("twinshot.engines", "twinshot.train"):
    logging.getLogger(room).addHandler(_Notes())
logging.getLogger("twinshot.train").setLevel(logging.INFO)


@dataclass
class _Settings:
    """What was asked of all commands."""

    debug: bool = False


_settings = _Settings()

Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]


def show_traceback(error: Exception) -> None:
    """Where an error came from, if that was asked for."""
    if _settings.debug:
        traceback.print_exception(error)


def words_of(error: Exception) -> str:
    """What an error says, with the names of options for those of arguments."""
    return with_options(in_words(error))


def with_options(text: str) -> str:
    """A message with the names of options for those of arguments."""
    return re.sub(r"\((force|accept_damaged|resume)\)", lambda match: f"(--{match[1].replace('_', '-')})", text)


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """For what goes on until somebody ends it: SIGTERM, by which services are ended, is taken as Ctrl-C is."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def way_to_end() -> str:
    """What ends this process, in words: a script's shell has those that it starts with `&` ignore Ctrl-C."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return f"`kill {os.getpid()}` ends it." if ignored else "Press Ctrl-C to end."


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """One sharp, clean picture from a short noisy and a long blurry photograph of the same scene."""
    _settings.debug = debug
    if version:
        from .._version import __version__

        out.print(__version__)
        raise typer.Exit


@contextmanager
def bar(quiet: bool) -> Iterator[Progress | None]:
    """A bar that shows once a second has passed, where somebody watches: elsewhere it would leave an empty line."""
    if quiet or not err.is_interactive:
        yield None
        return
    from ..progress import DOING

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Bars(*columns, console=err, transient=True) as bars:
        began = time.monotonic()
        task = bars.add_task("matching", visible=False, total=None)

        def update(stage: Stage, done: int, total: int) -> None:
            shown = time.monotonic() - began > 1
            bars.update(task, description=DOING[stage], completed=done, total=total, visible=shown)

        yield update


def need(module: str, extra: str) -> None:
    """Raises TwinshotError, which names the extra, where a package is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise TwinshotError(f"this command needs {module}; install it with pip install 'twinshot[{extra}]'")
