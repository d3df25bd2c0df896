"""The command, and what all of its parts share. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..picture.pair import TwinshotError

if TYPE_CHECKING:
    from ..export.quantise import Frames

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)
_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has but one

logging.getLogger("twinshot").addHandler(logging.NullHandler())  # the command says warnings itself


@dataclass
class _Settings:
    """What was asked of all commands."""

    debug: bool = False


_settings = _Settings()

Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data", envvar="TWINSHOT_DATA", help="Data root: photos/train, photos/val and frames/ alike."),
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
        if _settings.debug:
            traceback.print_exc()
        err.print(f"twinshot: {in_words(error)}", style="red", markup=False)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code in (130, *(128 + number for number in _ENDINGS)):
            err.print("twinshot: stopped; no half-written file is left", markup=False)
        raise


def _clean_up_when_ended() -> None:
    """Have other ways to end a process clear away what is half-written, as Ctrl-C does; what `nohup` set, stays."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def in_words(error: Exception) -> str:
    """One line: the rooms' own words, or else the system's."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; close other programs, or crop the pictures"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: cannot be used ({error.strerror}); check the name and its rights"
    return str(error)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """One sharp, clean picture from a short noisy and a long blurry photograph of the same scene."""
    _settings.debug = debug
    if version:
        from .._version import __version__

        out.print(__version__)
        raise typer.Exit


@app.command()
def synth(
    source: Annotated[Path, typer.Argument(help="A folder of photographs, or folders of numbered high-speed frames.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for noisy/ blurry/ sharp/ and meta.jsonl.")],
    profile: Annotated[
        str, typer.Option(help="paper (GOPRO2), camera, sensors, phone, gopro (sharp at the middle), gaussian.")
    ] = "paper",
    count: Annotated[int | None, typer.Option(min=1, help="Triples; frames give at most one a window.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    side: Annotated[int | None, typer.Option(min=16, help="Side of square views cut from photographs, px.")] = None,
    burst: Annotated[int, typer.Option(min=1, help="Short frames a triple; from 2 on, burst/ holds them.")] = 1,
) -> None:
    """Make training or test triples; a second call goes on where a killed one stopped."""
    from ..synth.triples import Plan, write_triples

    total = write_triples(source, output, Plan(profile, count, seed, side, burst))
    out.print(f"{output}: {total} triple{'' if total == 1 else 's'}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def train(
    recipes: Annotated[
        list[Path],
        typer.Argument(metavar="RECIPE...", help="A recipe, as in recipes/; several learn from the same batches."),
    ],
    data: DataRoot = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint, if there is one.")] = False,
) -> None:
    """Train a network from a recipe, on a GPU if there is one; or several side by side."""
    _need("torch", "train")
    from ..train.config import load_recipe
    from ..train.loop import train as run

    for checkpoint in run([load_recipe(recipe) for recipe in recipes], _data_root(data), runs, resume, _print_row):
        out.print(f"{checkpoint}: done", markup=False, highlight=False, soft_wrap=True)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's checkpoint.pt.")],
    name: Annotated[str, typer.Option(help="What the model will be called.")],
    weights: Annotated[Path, typer.Option(help="Folder of the ONNX files and their manifest.")],
    trained_on: Annotated[str, typer.Option(help="What the manifest says of the training data.")] = "",
    licence: Annotated[str, typer.Option(help="What it says of the weights' licence.")] = "",
    fallback: Annotated[str, typer.Option(help="A model for pairs whose frames do not show one scene.")] = "",
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Keep a graph in 8-bit integers, too, calibrated on pictures of --data.")
    ] = False,
    data: DataRoot = None,
) -> None:
    """Export the averaged weights of a checkpoint to ONNX, stored in half precision, and enter them in a manifest."""
    _need("torch", "train")
    from ..engines.models import as_table
    from ..export.release import add_to_manifest
    from ..nets.checkpoint import read_checkpoint
    from ..train.data import calibration

    pairs: Sequence[Frames] = ()
    if calibrate:
        pairs = calibration(_data_root(data), read_checkpoint(checkpoint)["recipe"]["data"]["profiles"])
    card = add_to_manifest(checkpoint, name, weights, trained_on, licence, fallback, pairs)
    out.print_json(json.dumps({key: value for key, value in as_table(card).items() if key != "training"}))


@app.command()
def benchmark(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A folder of triples or of GOPRO_Large, or a named set; repeat it."),
    ] = None,
    systems: Annotated[str | None, typer.Option(help="Systems, separated by commas; otherwise all.")] = None,
    output: Annotated[Path, typer.Option("--out", help="Folder for results.json and report.html.")] = Path("benchmark"),
    data: DataRoot = None,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and motion of the sets that are made.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A few small pictures: minutes instead of hours.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Parts, separated by commas: quality, reference, speed, robustness.")
    ] = None,
) -> None:
    """Compare systems on sets of pictures: quality, speed, robustness, and a report to read in a browser.

    Without --set: every named set that the data root has, or pictures of scikit-image. What an earlier call left in
    --out is kept where it is still true.
    """
    from ..bench.benchmark import Options, Part, benchmark

    chosen, parts = _listed(systems), cast(tuple[Part, ...], _listed(only))
    with out.status("benchmark") as status:
        options = Options(tuple(sets or ()), chosen, data, output, seed, quick, parts)
        results = benchmark(options, lambda line: status.update(escape(line)))
    for name, found in results["sets"].items():
        out.print(_scores(name, found))
    out.print(f"{output / 'report.html'}: the whole report", markup=False, highlight=False, soft_wrap=True)


def _scores(name: str, found: dict[str, Any]) -> Table:
    """One set's results, convention `paper`."""
    table = Table("system", "PSNR", "SSIM", "s / picture", title=escape(f"{name}: {found['pictures']} pictures"))
    for system, row in found["systems"].items():
        columns = {"psnr": ".2f", "ssim_paper": ".4f", "seconds": ".2f"}
        cells = [f"{row[key]:{form}}" if key in row else "" for key, form in columns.items()]
        table.add_row(escape(system), *([escape(row["error"])] if "error" in row else cells))
    return table


@contextmanager
def bar(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that shows once a second has passed, where somebody watches: elsewhere it would leave an empty line."""
    if quiet or not err.is_interactive:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True) as bars:
        began = time.monotonic()
        task = bars.add_task("restoring", visible=False, total=None)

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, visible=time.monotonic() - began > 1)

        yield update


def _print_row(row: dict[str, Any]) -> None:
    cells = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
    out.print("  ".join(cells), markup=False, highlight=False, soft_wrap=True)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _data_root(data: Path | None) -> Path:
    if data is None or not data.is_dir():
        where = f"{data} is no folder" if data else "none was named"
        raise TwinshotError(f"this needs a data root, and {where}: give --data DIR or set TWINSHOT_DATA")
    return data


def _need(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise TwinshotError(f"this command needs {module}: install it with pip install 'twinshot[{extra}]'")
