"""The commands `restore` and `models`: what photographers use."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from ..picture.errors import InputError, OutputError, in_words
from . import app as shared
from .app import Force, app

if TYPE_CHECKING:
    from ..batch import Outcome, Plan
    from ..engines.loading import Model
    from ..picture.settings import Settings
    from ..report import Report
    from ..restoration import Restored

_STREAM = "-"


@dataclass(frozen=True)
class _Wish:
    """What was asked for beside the frames."""

    output: str | None
    report: str | None
    model: str
    engine: str
    settings: Settings
    bits: int | None
    strip: bool
    quality: int | None
    quiet: bool
    force: bool
    trust_map: Path | None
    on: str | None = None

    @property
    def says(self) -> Callable[[str], None]:
        """Prints a line where it does not get in the way: beside a picture or a report on standard output."""
        console = shared.err if _STREAM in (self.output, self.report) else shared.out
        return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)

    def network(self) -> Model:
        from ..engines.loading import load_model

        return load_model(self.model, self.engine)

    def save(self, result: Restored, path: Path) -> None:
        result.save(path, self.force, self.bits, self.strip, self.quality)


# What `restore` is told, in the words of its help. Whether files can be read is for the rooms to say, in one line.
_Frames = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FRAME FRAME | SHORT... LONG | FOLDER...",
        help="A short and a long photograph, in any order; several short ones and the long one; or folders.",
        readable=False,
        show_default=False,
    ),
]
_Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="The picture to write (PNG, TIFF, JPEG, WebP, DNG), a FOLDER/, or - for standard output; default: "
        "SHORT-restored, beside the short frame.",
    ),
]
_ModelName = Annotated[str, typer.Option(help="The model to use; `twinshot models` lists them.")]
_EngineName = Annotated[
    str,
    typer.Option(
        envvar="TWINSHOT_ENGINE",
        help="What runs the network: auto (the fastest here, measured once), onnx, int8, openvino, cuda or torch.",
    ),
]
_ReportFile = Annotated[
    str | None,
    typer.Option(help="Write a JSON report (tone, shift, model, timings, warnings); - for standard output."),
]
_Quiet = Annotated[bool, typer.Option("--quiet", help="Print only errors and warnings.")]
_KeepOrder = Annotated[
    bool,
    typer.Option("--keep-order", help="Take the first frame as the short one, even if it looks like the long one."),
]
_AcceptDamaged = Annotated[
    bool, typer.Option("--accept-damaged", help="Use what can be read of a damaged JPEG or raw file.")
]
_Bits = Annotated[
    int | None, typer.Option(help="Bits per channel: 8, 16, or 32 (linear float TIFF); default: as the inputs.")
]
_Strength = Annotated[float, typer.Option(help="How much grain to remove, from 0 to 1.")]
_ColourStrength = Annotated[float, typer.Option(help="How much of the grain's colour to remove, from 0 to 1.")]
_Gain = Annotated[float | None, typer.Option(help="How many times brighter the long frame is; default: measured.")]
_Tone = Annotated[
    str | None, typer.Option(help="How brightness is matched: gain or curve; default: whichever fits better.")
]
_WhoseLight = Annotated[
    str, typer.Option(help="Give the result the brightness and colours of this frame: long or short.")
]
_TrustMap = Annotated[
    Path | None,
    typer.Option(help="Also write a grey PNG: white where the result relies on the long frame.", readable=False),
]
_Quality = Annotated[int | None, typer.Option(min=1, max=100, help="Quality of JPEG and WebP; default: 95.")]
_Strip = Annotated[bool, typer.Option("--strip", help="Leave out all metadata except the colour profile.")]
_ShowPlan = Annotated[bool, typer.Option("--plan", help="Show what would be done with the folders, and stop.")]
_WatchThem = Annotated[
    bool, typer.Option("--watch", help="Keep watching the folders and restore what arrives, until Ctrl-C.")
]
_PairsFile = Annotated[
    Path | None,
    typer.Option(
        help="A CSV or Parquet file of pairs, with columns short, long and output, instead of searching folders.",
        readable=False,
    ),
]
_On = Annotated[
    str | None,
    typer.Option(
        help="Restore folders or a list with Ray, on all cores of this machine (local) or of a cluster "
        "(ray://HOST:PORT, or auto from one of its machines)."
    ),
]


@app.command()
def restore(
    frames: _Frames = None,
    output: _Output = None,
    model: _ModelName = "twin",
    engine: _EngineName = "auto",
    report: _ReportFile = None,
    quiet: _Quiet = False,
    keep_order: _KeepOrder = False,
    accept_damaged: _AcceptDamaged = False,
    bits: _Bits = None,
    strength: _Strength = 1.0,
    colour_strength: _ColourStrength = 1.0,
    gain: _Gain = None,
    tone: _Tone = None,
    light: _WhoseLight = "long",
    trust_map: _TrustMap = None,
    quality: _Quality = None,
    strip: _Strip = False,
    plan: _ShowPlan = False,
    watch: _WatchThem = False,
    pairs: _PairsFile = None,
    on: _On = None,
    force: Force = False,
) -> None:
    """Restore one picture from a pair, or every pair and burst in a folder."""
    from ..picture.settings import Settings

    settings = Settings(
        keep_order=keep_order,
        accept_damaged=accept_damaged,
        strength=strength,
        colour_strength=colour_strength,
        gain=gain,
        tone=cast(Any, tone),  # the words that these two may be are checked there
        light=cast(Any, light),
        trust_map=bool(trust_map),
    )
    wish = _Wish(output, report, model, engine, settings, bits, strip, quality, quiet, force, trust_map, on)
    if watch:
        _follow(frames or [], bool(pairs or plan or on), wish)
    else:
        _carry_out(frames or [], pairs, plan, wish)


app.registered_commands.insert(0, app.registered_commands.pop())  # first in the help, as it is used most


def _carry_out(names: Sequence[Path], pairs: Path | None, plan: bool, wish: _Wish) -> None:
    """One picture or many, as what was given says. Raises InputError or OutputError for what does not go together."""
    if wish.output == wish.report == _STREAM:
        raise OutputError("the picture and the report cannot both go to standard output; write one of them to a file")
    folders = [path for path in names if os.path.isdir(path)]  # noqa: PTH112  # a name may be too long for a Path's
    if folders or len(names) == 1:  # of a pair, reading it tells
        _check_there(names)
    if folders and len(folders) < len(names):
        raise InputError(f"{folders[0]}: is a folder; give either frames or folders, not both")
    if pairs and names:
        raise InputError(f"--pairs says by itself what to restore; leave out {names[0]}, or leave out the list")
    if pairs or plan or folders:
        _many(names, pairs, plan, wish)
    elif wish.on:
        raise InputError("--on is for folders and lists (--pairs); leave it out for one picture")
    elif len(names) < 2:
        raise InputError("give a short and a long photograph of the same scene, or a folder; see `twinshot restore -h`")
    else:
        _one(names, wish)


def _check_there(paths: Sequence[Path]) -> None:
    """Refuse a name that nothing has, before it is taken for a file where a folder was meant, or the other way."""
    for path in paths:
        if not os.path.lexists(path):  # a name may be too long for a Path's
            raise InputError(f"{path}: no such file or folder; check the name")


def _one(frames: Sequence[Path], wish: _Wish) -> None:
    """A pair, or the short frames of a burst and its long one."""
    from dataclasses import replace

    from ..batch import in_order, roles
    from ..picture.pair import Frame
    from ..restoration import read_frames, restore_frames

    network, known = wish.network(), _known_output(frames, wish)
    short, long = (frames[:1], frames[1]) if len(frames) == 2 else roles(frames)
    read = read_frames(list(short) if len(short) > 1 or not long else short[0], long, wish.settings)
    ordered = in_order(read, wish.settings)
    names_it = ordered if isinstance(ordered, Frame) else ordered.pair.noisy
    output = known or _checked(Path(names_it.name), frames, wish)
    with shared.bar(wish.quiet) as progress:
        result = restore_frames(ordered, network, progress, None, wish.settings)
    _deliver(replace(result, sources=tuple(path.absolute() for path in frames)), output, wish)


def _known_output(frames: Sequence[Path], wish: _Wish) -> Path | None:
    """The output, checked before any work, where it does not depend on which frame is the short one."""
    from ..batch import target

    if wish.output == _STREAM:
        _check_beside(Path(_STREAM), frames, wish)
        return Path(_STREAM)
    names = {target(frame, wish.output) for frame in frames}
    return _checked(frames[0], frames, wish) if len(names) == 1 else None


def _checked(short: Path, frames: Sequence[Path], wish: _Wish) -> Path:
    """The output for a short frame, which can be written. Raises OutputError where it cannot."""
    from ..batch import names_a_folder, target
    from ..files import io

    output = target(short, wish.output)
    if wish.output and names_a_folder(wish.output):
        output.parent.mkdir(parents=True, exist_ok=True)
    io.check_output(output, tuple(frames), wish.force, wish.bits)
    _check_beside(output, frames, wish)
    return output


def _check_beside(output: Path, frames: Sequence[Path], wish: _Wish) -> None:
    """Refuse, before any work, a report or a trust map that cannot be written."""
    from ..files import atomic
    from ..restoration import check_trust_map

    taken = (*frames, output)
    if wish.report and wish.report != _STREAM:
        atomic.check_target(Path(wish.report), taken, wish.force)
        taken = (*taken, Path(wish.report))
    if wish.trust_map:
        check_trust_map(wish.trust_map, taken, wish.force)


def _deliver(result: Restored, output: Path, wish: _Wish) -> None:
    """Write the picture and the report, and say what was done."""
    if str(output) == _STREAM:
        suffix = Path(result.report["noisy"]).suffix
        sys.stdout.buffer.write(result.encoded(suffix, wish.bits, wish.strip, wish.quality))
        sys.stdout.buffer.flush()
    else:
        wish.save(result, output)
    if wish.trust_map:
        result.save_trust_map(wish.trust_map, wish.force)
    for warning in result.report["warnings"]:
        shared.err.print(f"warning: {warning}", style="yellow", markup=False)
    if not wish.quiet:
        for note in (*result.report["notes"], *filter(None, [result.report["swapped"]])):
            shared.err.print(f"note: {note}", markup=False)
        wish.says(summary("standard output" if str(output) == _STREAM else str(output), result.report))
    _write_report(result.report, wish)


def _write_report(report: Any, wish: _Wish) -> None:
    from ..files import atomic

    text = json.dumps(report, indent=2)
    if wish.report == _STREAM:
        sys.stdout.write(f"{text}\n")
    elif wish.report:
        atomic.write_bytes(Path(wish.report), text.encode())


def summary(output: str, report: Report) -> str:
    """What was done, in a line."""
    seconds = sum(report["seconds"].values())
    done = f"model {report['model']}, {seconds:.1f} s"
    size = f"{report['size'][0]}x{report['size'][1]}"
    gain, shift = report["gain"], report["shift"]
    if gain is None or shift is None:
        return f"{output}: {size}, without a long frame, {done}"
    times = "/".join(f"{value:.2f}" for value in gain)
    moved = "shift {:+.1f}, {:+.1f} px".format(*shift) if report["registered"] else "not aligned"
    sure = f"(confidence {report['confidence']:.2f})"
    return f"{output}: {size}, brightness x {times} ({report['tone']}), frames {moved} {sure}, {done}"


def _many(paths: Sequence[Path], pairs: Path | None, stop: bool, wish: _Wish) -> None:
    """Every pair and burst of folders, or of a list."""
    _check_many(wish)
    if wish.on and (wish.output is None or wish.report):
        raise OutputError("--on needs a folder (-o FOLDER), to which it writes report.parquet beside the results")
    planned = _planned(paths, pairs, wish)
    if stop or not (wish.quiet or wish.on):
        _print_plan(planned, wish)
        if not planned.jobs:
            wish.says(_nothing_in(planned))
    if stop:
        return
    if wish.on:
        _by_cluster(planned, wish, wish.on)
        return
    _close(list(_run(planned, wish)), planned, wish)


def _nothing_in(plan: Plan) -> str:
    """Why there is nothing to do."""
    if plan.alone or plan.unreadable:
        return "No two pictures here show the same scene, so there is nothing to restore."
    return "There are no pictures here. Folders inside a folder are not looked into: name them, too."


def _follow(folders: Sequence[Path], more: bool, wish: _Wish) -> None:
    """What folders hold and what arrives in them, until somebody interrupts it; `more`: whether more is asked for."""
    from dataclasses import replace

    from ..batch import Plan
    from ..watch import arrivals

    _check_many(wish)
    _check_there(folders)
    if more or not folders or not all(os.path.isdir(path) for path in folders):  # noqa: PTH112  # as above
        raise InputError("--watch is for folders; name them, without --plan, --pairs and --on")
    if not wish.quiet:
        wish.says(f"Watching {', '.join(map(str, folders))}. {shared.way_to_end()}")
    outcomes: list[Outcome] = []
    last, unreadable = Plan(()), list[tuple[Path, str]]()
    with suppress(KeyboardInterrupt), shared.ended_as_interrupted():
        for last in arrivals(folders, _folder(wish), wish.settings):
            unreadable += last.unreadable
            if not wish.quiet:
                _print_plan(replace(last, alone=()), wish)
            for outcome in _run(last, wish):
                outcomes.append(outcome)  # each at once, as the next may be interrupted
    _close(outcomes, replace(last, unreadable=tuple(unreadable)), wish)


def _close(outcomes: Sequence[Outcome], plan: Plan, wish: _Wish) -> None:
    """The table and the report. Raises Exit with code 1 where anything failed."""
    if not wish.quiet:
        _print_table(outcomes, plan)
    _write_report([_row(outcome) for outcome in outcomes], wish)
    if plan.unreadable or any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _check_many(wish: _Wish) -> None:
    """Refuse what is for one picture."""
    if wish.output == _STREAM:
        raise OutputError("several pictures cannot go to standard output; name a folder with -o FOLDER/")
    if wish.trust_map:
        raise OutputError("--trust-map is for one picture; give one pair instead of a folder or a list")


def _folder(wish: _Wish) -> str | None:
    """The folder for all results."""
    return None if wish.output is None else wish.output.rstrip("/") + "/"


def _planned(paths: Sequence[Path], pairs: Path | None, wish: _Wish) -> Plan:
    """What a list says, or what folders hold."""
    from .. import batch

    if pairs is None:
        return batch.plan(paths, _folder(wish), wish.settings)
    if pairs.suffix.lower() != ".parquet" and not wish.on:
        return batch.listed(pairs, _folder(wish))
    shared._need("pyarrow", "distributed")
    from ..distributed.restoring import listed

    return listed(pairs, _folder(wish))


def _print_plan(plan: Plan, wish: _Wish) -> None:
    for number, job in enumerate(plan.jobs, 1):
        wish.says(f"{number}. {job}{' (exists already)' if job.output.exists() and not wish.force else ''}")
    for path in plan.alone:
        wish.says(f"{path} has no partner here, so it is skipped.")
    _print_unreadable(plan)


def _print_unreadable(plan: Plan) -> None:
    for _, why in plan.unreadable:
        shared.err.print(shared.with_options(why), style="yellow", markup=False)


def _run(plan: Plan, wish: _Wish) -> Iterator[Outcome]:
    """Do what is planned; failures and warnings are said as they come."""
    from ..batch import run

    if all(job.output.exists() for job in plan.jobs) and not wish.force:
        return run(plan.jobs, None, wish.save)  # type: ignore[arg-type]  # there is nothing to load a model for
    return _told(run(plan.jobs, wish.network(), wish.save, wish.settings, wish.force), len(plan.jobs), wish)


def _told(outcomes: Iterable[Outcome], total: int, wish: _Wish) -> Iterator[Outcome]:
    """Each outcome, after a bar has moved and its failure or warnings were said."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(
        *columns, console=shared.err, transient=True, disable=wish.quiet or not shared.err.is_interactive
    ) as bars:
        task = bars.add_task("restoring", total=total)
        for outcome in outcomes:
            bars.advance(task)
            for warning in outcome.report["warnings"] if outcome.report else ():
                shared.err.print(f"warning: {outcome.job.output.name}: {warning}", style="yellow", markup=False)
            if outcome.error:
                shared.show_traceback(outcome.error)
                shared.err.print(f"failed: {shared.words_of(outcome.error)}", style="red", markup=False)
            yield outcome


def _by_cluster(plan: Plan, wish: _Wish, on: str) -> None:
    """Do what is planned by Ray; its report takes the place of a table, as there may be millions of pictures."""
    shared._need("ray", "distributed")
    from ..distributed.places import place
    from ..distributed.restoring import REPORT, Order, run

    _print_unreadable(plan)
    order = Order(wish.model, wish.engine, wish.settings, wish.bits, wish.strip, wish.quality)
    folder = place(wish.output or "")
    outcomes = run(plan.jobs, folder, order, on, wish.force)
    came = Counter(outcome.came for outcome in _told(outcomes, len(plan.jobs), wish))
    if not wish.quiet:
        wish.says(f"{_counts(came, plan)}; {folder / REPORT} has a row for each")
    if plan.unreadable or came["failed"]:
        raise typer.Exit(1)


def _print_table(outcomes: Sequence[Outcome], plan: Plan) -> None:
    table = Table(Column("picture", overflow="fold"), "frames", "seconds", "result")
    for outcome in outcomes:
        report, job = outcome.report, outcome.job
        seconds = f"{sum(report['seconds'].values()):.1f}" if report else ""
        table.add_row(escape(job.output.name), str(len(job.frames)), seconds, outcome.came)
    if outcomes:
        shared.out.print(table)
    came = Counter(outcome.came for outcome in outcomes)
    shared.out.print(_counts(came, plan), markup=False, highlight=False, soft_wrap=True)


def _counts(came: Counter[str], plan: Plan) -> str:
    """How many pictures came to what, in a line."""
    came = came + Counter({"skipped": len(plan.alone), "failed": len(plan.unreadable)})
    return ", ".join(f"{came[what]} {what}" for what in ("restored", "existed", "skipped", "failed"))


def _row(outcome: Outcome) -> dict[str, Any]:
    """What a report says of a job."""
    error = in_words(outcome.error) if outcome.error else None
    return outcome.job.row | {"error": error, "report": outcome.report}


_PURPOSES = {
    "twin": "a short and a long photograph (used where none is named)",
    "twin-large": "a short and a long photograph, for comparison: better on simulated pairs alone, and slower",
    "twin-noisy": "the short photograph alone, where no long one goes with it",
}
_TAKEN = {
    "pair": "a short and a long photograph",
    "noisy": "the short photograph alone",
    "blurry": "the long one alone",
}


@app.command()
def models(
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how long 12 megapixels take on this machine, and remember it.")
    ] = False,
) -> None:
    """List the models: those in the package, and those in TWINSHOT_WEIGHTS or a checkout's `weights`."""
    from ..engines.models import manifest
    from ..engines.pace import measured_seconds, remembered_seconds

    for name, card in manifest().items():
        size = f"{card.path.stat().st_size / 1e6:.1f} MB" if card.path.is_file() else "missing"
        seconds = measured_seconds(name, card) if measure else remembered_seconds(card)
        pace = f"{seconds:.0f} s" if seconds else "try --measure"
        shared.out.print(Text(f"{name}: {_PURPOSES.get(name, _TAKEN[card.takes])}", "bold"), soft_wrap=True)
        shared.out.print(_indented(f"{size}; 12 megapixels here: {pace}"))
        for title, text in (
            ("PSNR / SSIM by test set", ", ".join(f"{key} {value}" for key, value in card.quality.items())),
            ("trained on", card.trained_on),
            ("licence", card.licence),
        ):
            if text:
                shared.out.print(_indented(f"{title}: {text}"))


def _indented(text: str) -> Padding:
    """Lines below a model's name, as wide as the terminal."""
    return Padding(Text(text), (0, 0, 0, 4), expand=False)


app.registered_commands.insert(1, app.registered_commands.pop())
