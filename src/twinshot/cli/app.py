"""The command, and what all of its parts share. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from ..picture.errors import TwinshotError, in_words

if TYPE_CHECKING:
    from ..bench.results import SetResults
    from ..export.quantise import Frames
    from ..restoration import Progress, Stage
    from ..train.loop import Row

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)
_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has but one


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
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="TWINSHOT_DATA",
        help="Data folder with photos/train and photos/val; frames/train and frames/val are optional.",
    ),
]


def main() -> None:
    """Run the command, and say in a line why it failed: exit code 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no reason to fail
    _clean_up_when_ended()
    try:
        from . import restore, serve  # noqa: F401  # they enter themselves

        app()
    except (TwinshotError, OSError, MemoryError) as error:
        show_traceback(error)
        err.print(f"twinshot: {words_of(error)}", style="red", markup=False)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code in (130, *(128 + number for number in _ENDINGS)):
            err.print("twinshot: stopped; no half-written file was left behind", markup=False)
        raise


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


def _clean_up_when_ended() -> None:
    """Have other ways to end a process clear away what is half-written, as Ctrl-C does; what `nohup` set, stays."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


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


@app.command()
def synth(
    source: Annotated[
        Path, typer.Argument(help="A folder of photographs, or of folders with numbered high-speed frames.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write: noisy/, blurry/, sharp/ and meta.jsonl; with --on, tar files and manifest.parquet.",
        ),
    ],
    profile: Annotated[
        str,
        typer.Option(help="paper (GOPRO2), camera, sensors, phone, bracket, gopro (sharp at the middle), gaussian."),
    ] = "paper",
    count: Annotated[
        int | None, typer.Option(min=1, help="How many triples; high-speed frames give at most one per window.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed: the same seed gives the same bytes.")] = 0,
    side: Annotated[
        int | None, typer.Option(min=16, help="Size in px of the square views cut from photographs.")
    ] = None,
    burst: Annotated[int, typer.Option(min=1, help="Short frames per triple; with 2 or more they go to burst/.")] = 1,
    on: Annotated[
        str | None,
        typer.Option(help="Make them with Ray: local, auto or ray://HOST:PORT, as for restore."),
    ] = None,
) -> None:
    """Make training or test triples from sharp photographs. An interrupted call resumes where it stopped."""
    from ..synth.triples import Plan, write_triples

    plan, files = Plan(profile, count, seed, side, burst), ""
    if on:
        _need("ray", "distributed")
        from ..distributed.places import place
        from ..distributed.synthesis import write_shards

        total, shards = write_shards(source, place(output), plan, on)
        files = f" in {shards} tar file{'' if shards == 1 else 's'}"
    else:
        total = write_triples(source, Path(output), plan)
    line = f"{output}: {total} triple{'' if total == 1 else 's'}{files}"
    out.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def train(
    recipes: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECIPE...", help="Recipe files, as in recipes/; several are trained together on the same batches."
        ),
    ],
    data: DataRoot = None,
    runs: Annotated[Path, typer.Option(help="Folder for the training runs.")] = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint, if there is one.")] = False,
    on: Annotated[
        str | None,
        typer.Option(help="Train with Ray, on this machine (local) or on a cluster (ray://HOST:PORT, or auto)."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="How many processes train together with --on; they share out each batch.")
    ] = 1,
) -> None:
    """Train a network from a recipe, on a GPU if there is one; or train several side by side."""
    _need("torch", "train")
    from ..train.config import load_recipe
    from ..train.loop import train as run

    if on:
        _need("ray", "distributed")
        from ..distributed.training import train as run_on

        run = partial(run_on, on=on, workers=workers)
    elif workers > 1:
        raise TwinshotError("--workers needs --on; or start the processes with torchrun (docs/scale.md)")
    for checkpoint in run([load_recipe(recipe) for recipe in recipes], _data_root(data), runs, resume, _print_row):
        out.print(f"{checkpoint}: done", markup=False, highlight=False, soft_wrap=True)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's checkpoint.pt.")],
    name: Annotated[str, typer.Option(help="Name for the model.")],
    weights: Annotated[Path, typer.Option(help="Folder for the ONNX files and their manifest.")],
    trained_on: Annotated[str, typer.Option(help="Note on the training data, for the manifest.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the manifest.")] = "",
    fallback: Annotated[str, typer.Option(help="Model to fall back on when the frames do not match.")] = "",
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Also write an 8-bit integer version, calibrated on pictures from --data."),
    ] = False,
    data: DataRoot = None,
) -> None:
    """Export a trained network to ONNX and add it to a manifest, so that `restore --model NAME` finds it."""
    _need("torch", "train")
    from ..engines.models import as_table
    from ..export.checkpoint import read_checkpoint
    from ..export.release import add_to_manifest
    from ..train.data import calibration

    pairs: Sequence[Frames] = ()
    if calibrate:
        pairs = calibration(_data_root(data), read_checkpoint(checkpoint).recipe["data"]["profiles"])
    card = add_to_manifest(checkpoint, name, weights, trained_on, licence, fallback, pairs)
    out.print_json(json.dumps({key: value for key, value in as_table(card).items() if key != "training"}))


@app.command()
def benchmark(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A folder of triples or of GOPRO_Large, or the name of a set; may be repeated."),
    ] = None,
    systems: Annotated[str | None, typer.Option(help="Systems to compare, separated by commas; default: all.")] = None,
    output: Annotated[Path, typer.Option("--out", help="Folder for results.json and report.html.")] = Path("benchmark"),
    data: DataRoot = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the noise and motion of generated sets.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Use a few small pictures: minutes instead of hours.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Parts to run, separated by commas: quality, reference, speed, robustness.")
    ] = None,
) -> None:
    """Compare systems on sets of pictures: quality, speed, robustness, and a report to read in a browser.

    Without --set: every named set that the data root has, or pictures of scikit-image. What an earlier call left in
    --out is kept where it is still true.
    """
    from ..bench.benchmark import Options, Part, benchmark

    names, parts = _listed(systems), cast(tuple[Part, ...], _listed(only))
    with out.status("benchmark") as status:
        options = Options(tuple(sets or ()), names, data, output, seed, quick, parts)
        results = benchmark(options, lambda line: status.update(escape(line)))
    for name, scores in results.sets.items():
        out.print(_scores(name, scores))
    out.print(f"{output / 'report.html'}: the full report", markup=False, highlight=False, soft_wrap=True)


def _scores(name: str, results: SetResults) -> Table:
    """One set's results, convention `paper`."""
    table = Table("system", "PSNR", "SSIM", "s / picture", title=escape(f"{name}: {results.pictures} pictures"))
    for system, row in results.systems.items():
        figures = ((row.psnr, ".2f"), (row.ssim_paper, ".4f"), (row.seconds, ".2f"))
        cells = ["" if figure is None else format(figure, form) for figure, form in figures]
        table.add_row(escape(system), *([escape(row.error)] if row.error else cells))
    return table


@contextmanager
def bar(quiet: bool) -> Iterator[Progress | None]:
    """A bar that shows once a second has passed, where somebody watches: elsewhere it would leave an empty line."""
    if quiet or not err.is_interactive:
        yield None
        return
    from ..restoration import DOING

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Bars(*columns, console=err, transient=True) as bars:
        began = time.monotonic()
        task = bars.add_task("matching", visible=False, total=None)

        def update(stage: Stage, done: int, total: int) -> None:
            shown = time.monotonic() - began > 1
            bars.update(task, description=DOING[stage], completed=done, total=total, visible=shown)

        yield update


def _print_row(row: Row) -> None:
    cells = (f"{key} {_cell(value)}" for key, value in row.items())
    out.print("  ".join(cells), markup=False, highlight=False, soft_wrap=True)


def _cell(value: float | str | dict[str, float]) -> str:
    """A value of a training's log, which for a validation is the PSNR on each set."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {psnr:.2f} dB" for name, psnr in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _data_root(data: Path | None) -> Path:
    if data is None or not data.is_dir():
        where = f"{data} is not a folder" if data else "none was named"
        raise TwinshotError(f"this needs a data folder, and {where}; give --data DIR or set TWINSHOT_DATA")
    return data


def _need(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise TwinshotError(f"this command needs {module}; install it with pip install 'twinshot[{extra}]'")
