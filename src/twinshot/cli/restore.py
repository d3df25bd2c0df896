"""The command `restore`: its options, and one picture; `many` does the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..picture.errors import InputError, OutputError
from . import app as shared
from .app import Force
from .many import follow, many
from .wish import STREAM, Wish, check_there

if TYPE_CHECKING:
    from ..report import Report
    from ..restored import Restored

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
_Best = Annotated[
    bool,
    typer.Option("--best", help="Average over eight orientations of the pair: a little better, eight times slower."),
]
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
    best: _Best = False,
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
        best=best,
        gain=gain,
        tone=cast(Any, tone),  # the words that these two may be are checked there
        light=cast(Any, light),
        trust_map=bool(trust_map),
    )
    wish = Wish(output, report, model, engine, settings, bits, strip, quality, quiet, force, trust_map, on)
    if watch:
        follow(frames or [], bool(pairs or plan or on), wish)
    else:
        _carry_out(frames or [], pairs, plan, wish)


def _carry_out(names: Sequence[Path], pairs: Path | None, plan: bool, wish: Wish) -> None:
    """One picture or many, as what was given says. Raises InputError or OutputError for what does not go together."""
    if wish.output == wish.report == STREAM:
        raise OutputError("the picture and the report cannot both go to standard output; write one of them to a file")
    folders = [path for path in names if os.path.isdir(path)]  # noqa: PTH112  # a name may be too long for a Path's
    if folders or len(names) == 1:  # of a pair, reading it tells
        check_there(names)
    if folders and len(folders) < len(names):
        raise InputError(f"{folders[0]}: is a folder; give either frames or folders, not both")
    if pairs and names:
        raise InputError(f"--pairs says by itself what to restore; leave out {names[0]}, or leave out the list")
    if pairs or plan or folders:
        many(names, pairs, plan, wish)
    elif wish.on:
        raise InputError("--on is for folders and lists (--pairs); leave it out for one picture")
    elif len(names) < 2:
        raise InputError("give a short and a long photograph of the same scene, or a folder; see `twinshot restore -h`")
    else:
        _one(names, wish)


def _one(frames: Sequence[Path], wish: Wish) -> None:
    """A pair, or the short frames of a burst and its long one.

    What was read is let go of before the picture is written, which takes as much memory again.
    """
    result, output = _restored(frames, wish)
    _deliver(result.made_of(frames), output, wish)


def _restored(frames: Sequence[Path], wish: Wish) -> tuple[Restored, Path]:
    """The picture, and where it goes."""
    from ..batch import in_order, roles
    from ..picture.pair import Frame
    from ..progress import Clock
    from ..restoration import read_frames, restore_frames

    network, known, clock = wish.network(), _known_output(frames, wish), Clock()
    short, long = (frames[:1], frames[1]) if len(frames) == 2 else roles(frames, wish.settings.accept_damaged)
    _say_left([frame for frame in frames if frame not in (*short, long)], wish)
    read = read_frames(list(short) if len(short) > 1 or not long else short[0], long, wish.settings)
    clock.lap("read")
    ordered = in_order(read, wish.settings)
    names_it = ordered if isinstance(ordered, Frame) else ordered.pair.noisy
    output = known or _checked(Path(names_it.name), frames, wish)
    with shared.bar(wish.quiet) as progress:
        return restore_frames(ordered, network, progress, clock, wish.settings), output


def _say_left(left: Sequence[Path], wish: Wish) -> None:
    """Which frames of a bracket are not used, and why."""
    if left and not wish.quiet:
        names = ", ".join(map(str, left))
        said = f"{names} left out: of a bracket, the longest frame and the one nearest to a tenth of its time are used"
        shared.err.print(f"note: {said}", markup=False)


def _known_output(frames: Sequence[Path], wish: Wish) -> Path | None:
    """The output, checked before any work, where it does not depend on which frame is the short one."""
    from ..batch import target

    if wish.output == STREAM:
        _check_beside(Path(STREAM), frames, wish)
        return Path(STREAM)
    names = {target(frame, wish.output) for frame in frames}
    return _checked(frames[0], frames, wish) if len(names) == 1 else None


def _checked(short: Path, frames: Sequence[Path], wish: Wish) -> Path:
    """The output for a short frame, which can be written. Raises OutputError where it cannot."""
    from ..batch import names_a_folder, target
    from ..files import io

    output = target(short, wish.output)
    if wish.output and names_a_folder(wish.output):
        output.parent.mkdir(parents=True, exist_ok=True)
    io.check_output(output, tuple(frames), wish.force, wish.bits)
    _check_beside(output, frames, wish)
    return output


def _check_beside(output: Path, frames: Sequence[Path], wish: Wish) -> None:
    """Refuse, before any work, a report or a trust map that cannot be written."""
    from ..files import atomic
    from ..restored import check_trust_map

    taken = (*frames, output)
    if wish.report and wish.report != STREAM:
        atomic.check_target(Path(wish.report), taken, wish.force)
        taken = (*taken, Path(wish.report))
    if wish.trust_map:
        check_trust_map(wish.trust_map, taken, wish.force)


def _deliver(result: Restored, output: Path, wish: Wish) -> None:
    """Write the picture and the report, and say what was done."""
    from ..batch import target

    if str(output) == STREAM:
        suffix = target(Path(result.report["noisy"])).suffix
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
        wish.says(summary("standard output" if str(output) == STREAM else str(output), result.report))
    wish.write_report(result.report)


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
